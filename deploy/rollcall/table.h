// A table for a terminal: columns as wide as their widest cell, two spaces between them, no lines.
//
// Threads: one owner.
#pragma once

#include <string>
#include <vector>

namespace rollcall::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::size_t rows() const { return rows_.size() - 1; }
  // Each line indented by `indent` spaces and ended by a line feed; nothing after the last cell.
  std::string text(std::size_t indent = 0) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace rollcall::cli
