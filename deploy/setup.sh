# What run.sh, test.sh and .ci/run share: getting Debian's packages and building. Sourced, not run.
# Nothing here reads stdin. Root is asked for only when a package is missing.
# shellcheck shell=bash
# shellcheck disable=SC2034 # the lists of packages are for those who source this

root_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Everything that the build needs, as Debian 12 names it.
build_packages=(
  g++ cmake ninja-build pkgconf ca-certificates
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev
  libexpected-dev nlohmann-json3-dev libsimdjson-dev libyaml-dev libyaml-cpp-dev libxxhash-dev
  libcpp-httplib-dev libc-ares-dev libssl-dev prometheus-cpp-dev libcli11-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  curl # the README's tour reads the metrics with it
)
# What fetching the backends needs on top (with curl it brings a Go toolchain), and the example plug-in in Python.
test_packages=(unzip python3 python3-grpcio python3-protobuf)
# What .ci/run needs on top.
ci_packages=(clang-14 lld-14 libclang-rt-14-dev ccache)

say() { printf '\n== %s\n' "$*"; }
die() { printf '\n!! %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo > /dev/null; then
    sudo -n "$@" || die "could not become root with sudo for: $*"
  else
    die "not root and no sudo; as root, run: $*"
  fi
}

# Installs those of the named packages that are missing. With none missing it neither needs root nor the network.
install_packages() {
  local package missing=()
  for package in "$@"; do
    # shellcheck disable=SC2016
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${#missing[@]} packages: ${missing[*]}"
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
  as_root timeout 300 "${apt[@]}" update < /dev/null || die "apt-get update failed"
  as_root timeout 900 "${apt[@]}" install --no-install-recommends "${missing[@]}" < /dev/null \
    || die "these packages could not be installed: ${missing[*]}"
}

# The real servers of the tests: the name in the label needs-<name>, the script that finds or makes it, the variable that
# tells the tests where it is.
backends=(
  "consul get_consul.sh ROLLCALL_CONSUL"
  "prometheus get_prometheus.sh ROLLCALL_PROMETHEUS"
  "etcd get_etcd.sh ROLLCALL_ETCD"
  "nginx get_nginx.sh ROLLCALL_NGINX"
  "dns get_dns.sh ROLLCALL_DNS"
  "kubernetes get_kube_apiserver.sh ROLLCALL_KUBE_APISERVER"
)

# Gets them all, exports where they are, and sets `missing` to the names of those that could not be had and `left_out` to
# those that ROLLCALL_LEAVE_OUT names.
get_backends() {
  local backend name script variable path
  missing=()
  left_out=()
  for backend in "${backends[@]}"; do
    read -r name script variable <<< "$backend"
    if [[ " ${ROLLCALL_LEAVE_OUT:-} " == *" $name "* ]]; then
      left_out+=("$name")
    elif path=$("$root_dir/tests/backends/$script"); then
      export "$variable=$path"
      echo "$name: $path"
    else
      missing+=("$name")
    fi
  done
  ROLLCALL_LEFT_OUT=$(IFS='|'; echo "${left_out[*]}") # as labels are matched; empty: none
  export ROLLCALL_LEFT_OUT
  [ -z "${ROLLCALL_PROMETHEUS:-}" ] || export ROLLCALL_PROMTOOL=${ROLLCALL_PROMETHEUS%/*}/promtool
}

# build PRESET [TARGET…]: configures and builds; the programs are in build/PRESET/bin afterwards.
build() {
  local preset=$1 targets=()
  shift
  [ $# -eq 0 ] || targets=(--target "$@")
  say "building $preset${*:+: $*}"
  (
    cd "$root_dir" || exit 1
    cmake --preset "$preset" > "$root_dir/build/.configure-$preset.log" 2>&1 \
      || { cat "$root_dir/build/.configure-$preset.log"; exit 1; }
    cmake --build --preset "$preset" "${targets[@]}"
  ) < /dev/null
}
mkdir -p "$root_dir/build"
