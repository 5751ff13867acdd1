#!/usr/bin/env bash
# Gets what the tests need on a bare Debian 12, builds, and passes everything.
#
#   ./deploy/test.sh [ARGUMENTS OF ctest…]      for example -R consul
#
# Real servers are used: a Consul agent (found, or built from the Go module registry) and Prometheus (found, or
# Debian's). They are kept outside the repository, in ${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rollcall}.
# Exit code: 0 everything passed; 1 something failed; 3 all that ran passed, but a backend could not be had, and the
# last lines say which one and what was therefore not tested.
set -euo pipefail
# shellcheck source=deploy/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
exec < /dev/null

readonly untested=3
test_seconds=${ROLLCALL_TEST_SECONDS:-900} # all tests together

install_packages "${build_packages[@]}" "${test_packages[@]}"

say "backends"
missing=()
if consul=$("$root_dir/tests/backends/get_consul.sh"); then
  export ROLLCALL_CONSUL=$consul
  echo "consul: $consul"
else
  missing+=(consul)
fi
if prometheus=$("$root_dir/tests/backends/get_prometheus.sh"); then
  export ROLLCALL_PROMETHEUS=$prometheus ROLLCALL_PROMTOOL=${prometheus%/*}/promtool
  echo "prometheus: $prometheus"
else
  missing+=(prometheus)
fi

build release || die "the build failed"

select=()
if [ ${#missing[@]} -gt 0 ]; then
  select=(-LE "^needs-($(IFS='|'; echo "${missing[*]}"))\$")
fi
say "tests"
cd "$root_dir"
failed=0
timeout --kill-after=30 "$test_seconds" ctest --preset release "${select[@]}" "$@" || failed=1

if [ ${#missing[@]} -gt 0 ]; then
  {
    echo
    echo "!!!! NOT EVERYTHING WAS TESTED !!!!"
    for backend in "${missing[@]}"; do
      echo "!!!! No $backend could be had (the reason is above, under 'backends'). These tests did not run:"
      ctest --preset release -N -L "^needs-$backend\$" "$@" 2> /dev/null | sed -n 's/^ *Test *#[0-9]*: /!!!!   /p'
    done
  } >&2
  [ $failed -ne 0 ] || exit $untested
fi
exit $failed
