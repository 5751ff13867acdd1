#include "tests/bench/report.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace rollcall::bench {

void Report::print() const {
  std::size_t name_width = 4;
  for (const Row& row : rows_) name_width = std::max(name_width, row.name.size());
  const std::vector<Figure>* header = nullptr;
  for (const Row& row : rows_) {
    const bool same = header != nullptr && header->size() == row.figures.size() &&
                      std::equal(header->begin(), header->end(), row.figures.begin(),
                                 [](const Figure& a, const Figure& b) { return a.name == b.name; });
    if (!same) {
      std::printf("\n%-*s", static_cast<int>(name_width), "");
      for (const Figure& figure : row.figures) std::printf("  %16s", figure.name.c_str());
      std::printf("\n");
      header = &row.figures;
    }
    std::printf("%-*s", static_cast<int>(name_width), row.name.c_str());
    for (const Figure& figure : row.figures) {
      std::printf("  %16.*f", figure.decimals, figure.value);
    }
    std::printf("\n");
  }
  std::printf("\n");
  for (const std::string& note : notes_) std::printf("%s\n", note.c_str());
  std::fflush(stdout);
}

bool Report::write_json(const std::string& path) const {
  nlohmann::json all;
  all["program"] = program_;
  all["notes"] = notes_;
  for (const Row& row : rows_) {
    nlohmann::json figures;
    for (const Figure& figure : row.figures) figures[figure.name] = figure.value;
    all["rows"].push_back({{"name", row.name}, {"figures", figures}});
  }
  std::ofstream file(path);
  file << all.dump(2) << "\n";
  file.close();
  if (file) return true;
  std::fprintf(stderr, "%s: cannot write %s\n", program_.c_str(), path.c_str());
  return false;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Options parse_options(int argc, char** argv, std::string_view what) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
      options.json_file = argv[++i];
    } else if (std::strcmp(argv[i], "--quick") == 0) {
      options.quick = true;
    } else {
      const bool help = std::strcmp(argv[i], "--help") == 0;
      std::fprintf(help ? stdout : stderr, "%.*s\nusage: %s [--json FILE] [--quick]\n",
                   static_cast<int>(what.size()), what.data(), argv[0]);
      std::exit(help ? 0 : 2);
    }
  }
  return options;
}

}  // namespace rollcall::bench
