#!/usr/bin/env bash
# Gets what the tests need on a bare Debian 12, builds, and passes everything.
#
#   ./deploy/test.sh [ARGUMENTS OF ctest…]      for example -R consul
#
# Real servers are used: a Consul agent and a kube-apiserver (found, or built from the Go module registry), Prometheus,
# etcd, nginx and Knot DNS (found, or Debian's). They are kept outside the repository, in
# ${ROLLCALL_CACHE:-${XDG_CACHE_HOME:-~/.cache}/rollcall}. ROLLCALL_LEAVE_OUT="kubernetes …" does without the named ones.
# Exit code: 0 everything passed; 1 something failed; 3 all that ran passed, but a backend could not be had. The last
# lines say which one and what was therefore not tested; what is left out is said before the tests.
set -euo pipefail
# shellcheck source=deploy/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
exec < /dev/null

readonly untested=3
test_seconds=${ROLLCALL_TEST_SECONDS:-1200} # all tests together

install_packages "${build_packages[@]}" "${test_packages[@]}"

say "backends"
get_backends

build release || die "the build failed"

select=()
without=("${missing[@]}" "${left_out[@]}")
if [ ${#without[@]} -gt 0 ]; then
  select=(-LE "^needs-($(IFS='|'; echo "${without[*]}"))\$")
fi
say "tests"
cd "$root_dir"
failed=0
not_run() { # not_run BACKEND: the tests that need it
  ctest --preset release -N -L "^needs-$1\$" "${@:2}" 2> /dev/null | sed -n 's/^ *Test *#[0-9]*: /!!!!   /p'
}
if [ ${#left_out[@]} -gt 0 ]; then # said before the tests, so that their summary comes last where nothing is wrong
  for backend in "${left_out[@]}"; do
    echo "!!!! $backend is left out by ROLLCALL_LEAVE_OUT. These tests do not run:"
    not_run "$backend" "$@"
  done
fi
timeout --kill-after=30 "$test_seconds" ctest --preset release -j 5 "${select[@]}" "$@" || failed=1

if [ ${#missing[@]} -gt 0 ]; then
  {
    echo
    echo "!!!! NOT EVERYTHING WAS TESTED !!!!"
    for backend in "${missing[@]}"; do
      echo "!!!! No $backend could be had (the reason is above, under 'backends'). These tests did not run:"
      not_run "$backend" "$@"
    done
  } >&2
  [ $failed -ne 0 ] || exit $untested
fi
exit $failed
