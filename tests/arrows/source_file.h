// One source file as the rules look at it: its path inside the tree and its lines, read whole
// (source files are small; tree_rules.h bounds them). Value type, no locking.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace rollcall::arrows {

struct Include {
  int line = 0;         // 1-based
  bool angled = false;  // <x> rather than "x"
  std::string path;     // as written
};

struct SourceFile {
  std::string path;  // relative to the root of the tree, with '/'
  std::vector<std::string> lines;

  // "provisioning/hub" for provisioning/hub/event_log.h; empty for a file at the top.
  std::string folder() const;
  bool is_header() const;
  bool is_cpp() const;  // header or source
  std::vector<Include> includes() const;
};

// Every file of the tree that the rules look at (dotfiles, build directories and binary data are
// not), sorted by path.
std::vector<SourceFile> read_tree(const std::filesystem::path& root);

}  // namespace rollcall::arrows
