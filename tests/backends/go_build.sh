# shellcheck shell=bash
# Building a Go server from the module registry, for the get_*.sh scripts beside this file; sourced, not run.
# The caller sets `program` (how its messages begin) and `go_needed` (what the server's go.mod asks for).
# Needs curl and unzip when there is no fitting Go.

go_version=1.25.14 # what is fetched when the PATH has no Go that is new enough
declare -A go_sha256=( # of the toolchain's zip at the module proxy, compared once with Go's checksum database
  [amd64]=1bb543a7745d4c6e045a1bfdb4c4d5a0b05b71ee8b8ff72c0a351598b26991a4
  [arm64]=eee0803776a2a3d42f0620d7b0156277350debb5d39c99a9b61c8b12108fd92c
)
proxy=${GOPROXY:-https://proxy.golang.org}
proxy=${proxy%%[,|]*}

cache=${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rollcall}
say() { printf '%s: %s\n' "$program" "$*" >&2; }

at_least() { # at_least HAVE WANTED
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# A Go that can build the server: the one on the PATH, or the toolchain that the module proxy serves.
find_go() { # find_go WORK_DIR
  local have arch zip
  if have=$(go env GOVERSION 2> /dev/null) && at_least "${have#go}" "$go_needed"; then
    command -v go
    return
  fi
  case $(uname -m) in
    x86_64) arch=amd64 ;;
    aarch64) arch=arm64 ;;
    *) say "no Go toolchain is known for $(uname -m)"; return 1 ;;
  esac
  case $proxy in
    http*) ;;
    *) say "GOPROXY '$proxy' is no address to get a Go toolchain from"; return 1 ;;
  esac
  say "getting Go $go_version from the module proxy (${have:-no go} is not enough)"
  zip=$1/go.zip
  curl --fail --silent --show-error --location --retry 3 --max-time 300 --output "$zip" \
    "$proxy/golang.org/toolchain/@v/v0.0.1-go$go_version.linux-$arch.zip" || return 1
  echo "${go_sha256[$arch]}  $zip" | sha256sum --check --quiet >&2 || return 1
  unzip -q "$zip" -d "$1" || return 1
  rm "$zip"
  chmod -R u+x "$1/golang.org/toolchain@v0.0.1-go$go_version.linux-$arch/"{bin,pkg/tool}
  echo "$1/golang.org/toolchain@v0.0.1-go$go_version.linux-$arch/bin/go"
}

# Builds PACKAGE in the module that is in WORK_DIR/module, at most SECONDS. Nothing of the caller's Go settings but the
# proxy; module and build caches of its own below WORK_DIR, because they are gigabytes that nobody needs again. Without
# debugging information and inlining, and with a lazier collector in the compiler: a third less processor time (measured with
# net/http).
go_build() { # go_build GO WORK_DIR SECONDS TAGS LDFLAGS PACKAGE OUTPUT
  local at=$SECONDS
  (
    cd "$2/module"
    exec env GOPATH="$2/gopath" GOMODCACHE="$2/gopath/pkg/mod" GOCACHE="$2/gocache" GOENV=off GOWORK=off \
      GOTOOLCHAIN=local GOFLAGS='-mod=mod -modcacherw' CGO_ENABLED=0 GOGC=400 \
      timeout "$3" "$1" build -trimpath -tags "$4" -gcflags='all=-dwarf=false -l' -ldflags "$5" -o "$7" "$6"
  ) > "$2/log" 2>&1 || {
    tail -n 20 "$2/log" >&2
    return 1
  }
  say "built in $((SECONDS - at)) s"
}
