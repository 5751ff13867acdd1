#!/bin/sh
# That CMake itself keeps the arrows: a small tree under the real CMakeLists.txt, first right, then with a link against
# the arrows, then with an include that no link stands behind.
# usage: wrong_links_test.sh SOURCE_DIR CMAKE CXX
set -eu
source_dir=$1 cmake=$2 cxx=$3
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/core" "$tree/bridges/stream" "$tree/providers/file"
cp "$source_dir/CMakeLists.txt" "$tree/"

echo 'rollcall_library(core DEPS tl::expected)' > "$tree/core/CMakeLists.txt"
echo 'int node();' > "$tree/core/node.h"
echo 'rollcall_library(bridges/stream DEPS rollcall_core)' > "$tree/bridges/stream/CMakeLists.txt"
echo 'int stream();' > "$tree/bridges/stream/stream.h"
echo 'rollcall_library(providers/file DEPS rollcall_core)' > "$tree/providers/file/CMakeLists.txt"
printf '#include "core/node.h"\nint node() { return 1; }\n' > "$tree/providers/file/file.cpp"

configure() {
  "$cmake" -G Ninja -S "$tree" -B "$tree/build/x" -D CMAKE_CXX_COMPILER="$cxx" -D ROLLCALL_CCACHE=OFF > "$tree/log" 2>&1
}
fail() { echo "FAILED: $1"; cat "$tree/log"; exit 1; }

configure || fail "a tree that keeps the arrows did not configure"
"$cmake" --build "$tree/build/x" > "$tree/log" 2>&1 || fail "a tree that keeps the arrows did not build"

echo '#include "bridges/stream/stream.h"' > "$tree/providers/file/file.cpp"
if "$cmake" --build "$tree/build/x" > "$tree/log" 2>&1; then
  fail "an include that no link stands behind compiled"
fi
grep -q 'bridges/stream/stream.h' "$tree/log" || fail "the build failed for another reason"

echo 'rollcall_library(providers/file DEPS rollcall_core PRIVATE rollcall_bridges_stream)' \
  > "$tree/providers/file/CMakeLists.txt"
if configure; then fail "a link against the arrows was accepted"; fi
grep -q 'Against the arrows: providers/file' "$tree/log" || fail "the configuration failed for another reason"
echo "CMake keeps the arrows"
