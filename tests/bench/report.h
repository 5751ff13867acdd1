// What every benchmark program prints: a table for people, and with --json FILE its figures for
// programs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rollcall::bench {

// One row: a name and figures with their units ("deliveries_per_s"), in the order of the table.
struct Figure {
  std::string name;
  double value = 0;
  int decimals = 2;
};
struct Row {
  std::string name;
  std::vector<Figure> figures;
};

class Report {
 public:
  explicit Report(std::string program) : program_(std::move(program)) {}
  void add(Row row) { rows_.push_back(std::move(row)); }
  void note(std::string text) { notes_.push_back(std::move(text)); }
  void print() const;
  // False (and a line on stderr) if the file cannot be written.
  bool write_json(const std::string& path) const;

 private:
  std::string program_;
  std::vector<Row> rows_;
  std::vector<std::string> notes_;
};

double median(std::vector<double> values);  // of at least one

// The options that all of them have, and `rest`. Ends the program on a mistake and after --help.
struct Options {
  std::string json_file;
  bool quick = false;  // fewer rounds: to see that it works
};
Options parse_options(int argc, char** argv, std::string_view what);

}  // namespace rollcall::bench
