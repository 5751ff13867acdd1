#!/usr/bin/env bash
# Builds Rollcall on a bare Debian 12 and starts the sidecar in the foreground, on its embedded default.
#
#   ./deploy/run.sh [FLAGS OF rollcalld…]      for example --state-dir /tmp/try --http-listen 127.0.0.1:9870
#
# The state directory is rollcalld's own default: $ROLLCALL_STATE_DIR, else /var/lib/rollcall for root, else
# ${XDG_STATE_HOME:-~/.local/state}/rollcall. Control-C stops it.
set -euo pipefail
# shellcheck source=deploy/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

install_packages "${build_packages[@]}"
build release rollcalld rollcall || die "the build failed"

bin=$root_dir/build/release/bin
state=${ROLLCALL_STATE_DIR:-}
if [ -z "$state" ]; then
  state=/var/lib/rollcall
  [ "$(id -u)" = 0 ] || state=${XDG_STATE_HOME:-$HOME/.local/state}/rollcall
fi
listen=
arguments=("$@")
for i in "${!arguments[@]}"; do # only to print where it will be
  case ${arguments[i]} in
    --state-dir) state=${arguments[i + 1]:-} ;;
    --state-dir=*) state=${arguments[i]#*=} ;;
    --grpc-listen) listen=${arguments[i + 1]:-} ;;
    --grpc-listen=*) listen=${arguments[i]#*=} ;;
  esac
done
listen=${listen:-unix:$(realpath -m "$state")/rollcall.sock}

cat << TEXT

== rollcalld starts in the foreground; Control-C stops it
   state directory  $state
   in another terminal:
     export PATH="$bin:\$PATH" ROLLCALL_SERVER="$listen"
     rollcall status

TEXT
exec "$bin/rollcalld" "$@"
