#!/bin/sh
# Compiles through ccache so that what was compiled in one checkout is found in every other one.
#
#   ccache_launcher.sh CCACHE SOURCE_DIR BUILD_DIR COMPILER ARGUMENT…        (the build's CMAKE_CXX_COMPILER_LAUNCHER)
#
# Two things are in the way of that. ccache makes paths relative, but not those that CMake hides behind -Xclang: they are made
# relative here. And a precompiled header has the path of its directory in it, so that every file compiled with it would seem
# new: ccache is told to look at a checksum beside it instead, which is that of all headers in it. The precompiled headers
# themselves are never taken from the cache: they are of use in their own directory only. Where the checksum can't be made there
# is none, and ccache reads the precompiled header itself.
ccache=$1 source=$2 build=$3
shift 3
output='' dependencies='' previous=''
for argument; do
  shift
  argument=${argument#"$build"/}
  case $previous in
    -o) output=$argument ;;
    -MF) dependencies=$argument ;;
  esac
  previous=$argument
  set -- "$@" "$argument"
done
case $output in
  *.gch | *.pch)
    rm -f "$output.sum"
    "$@" || exit
    [ -s "$dependencies" ] || exit 0
    if sed 's/^[^:]*: //; s/\\$//' "$dependencies" | tr -s ' ' '\n' | LC_ALL=C sort -u | xargs sha256sum > "$output.files"; then
      cut -d ' ' -f 1 "$output.files" > "$output.sum"
    fi
    rm -f "$output.files"
    ;;
  *)
    CCACHE_BASEDIR=$source CCACHE_NOHASHDIR=1 CCACHE_PCH_EXTSUM=1 \
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime exec "$ccache" "$@"
    ;;
esac
