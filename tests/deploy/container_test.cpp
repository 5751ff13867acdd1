// The image can't be built wherever the tests run. What goes stale in its recipe is held here: the
// libraries that the programs name, and the paths that are copied.
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "tests/backends/environment.h"
#include "tests/backends/process.h"

namespace rollcall::test {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kToolLimit{30'000};

std::string containerfile() {
  return read_file(source_dir() / "deploy" / "container" / "Containerfile");
}

std::string output_of(std::vector<std::string> argv) {
  const auto finished = run(std::move(argv), kToolLimit);
  EXPECT_TRUE(finished) << finished.error();
  if (!finished) return "";
  EXPECT_TRUE(finished->exit.ok()) << finished->output;
  return finished->output;
}

// Where the libraries that a program names itself are, as "/lib/x86_64-linux-gnu/libssl.so.3".
std::set<std::string> libraries(const std::filesystem::path& program) {
  std::set<std::string> named;
  std::string word;
  std::istringstream headers(output_of({"/usr/bin/objdump", "-p", program.string()}));
  while (headers >> word) {
    if (word == "NEEDED" && headers >> word) named.insert(word);
  }
  std::set<std::string> found;
  std::istringstream all(output_of({"/usr/bin/ldd", program.string()}));
  for (std::string line; std::getline(all, line);) {
    std::istringstream words(line);
    std::string name, arrow, path;
    if (words >> name >> arrow >> path && named.contains(name)) found.insert(path);
  }
  EXPECT_EQ(found.size(), named.size()) << program;
  return found;
}

// The packages that the files are of. The loader says /lib where some packages say /usr/lib, which
// is one directory; asked for by exact path dpkg is ten times quicker than by a pattern.
std::set<std::string> owners(const std::set<std::string>& files) {
  std::vector<std::string> query = {"/usr/bin/dpkg-query", "-S"};
  for (const std::string& file : files) {
    query.push_back(file);
    query.push_back("/usr" + file);
  }
  const auto finished = run(query, kToolLimit);  // it complains of the other half
  EXPECT_TRUE(finished) << finished.error();
  std::set<std::string> packages;
  std::size_t found = 0;
  std::istringstream lines(finished ? finished->output : "");
  for (std::string line; std::getline(lines, line);) {  // "libssl3:amd64: /usr/lib/…/libssl.so.3"
    if (line.starts_with("dpkg-query:")) continue;
    packages.insert(line.substr(0, line.find(':')));
    ++found;
  }
  EXPECT_EQ(found, files.size()) << (finished ? finished->output : "");
  return packages;
}

// What the second stage installs: the packages that it lists, and what they depend on.
std::set<std::string> installed() {
  std::vector<std::string> query = {"/usr/bin/dpkg-query", "-W", "-f", "${Package}, ${Depends}, "};
  std::istringstream lines(containerfile());
  std::string package, end;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    if (line.starts_with("      lib") && words >> package >> end && end == "\\") {
      query.push_back(package);
    }
  }
  EXPECT_GT(query.size(), 4U);
  // "libssl3, libc6 (>= 2.34), "
  std::istringstream all(output_of(query));
  std::set<std::string> result;
  for (std::string one; std::getline(all >> std::ws, one, ',');) {
    result.insert(one.substr(0, one.find_first_of(" :")));
  }
  return result;
}

TEST(Container, TheImageHasTheLibrariesThatTheProgramsName) {
  std::set<std::string> wanted;
  for (const char* program : {"rollcalld", "rollcall", "rollcall-conformance"}) {
    wanted.merge(libraries(bin_dir() / program));
  }
  ASSERT_FALSE(wanted.empty());
  const std::set<std::string> there = installed();
  for (const std::string& package : owners(wanted)) {
    EXPECT_TRUE(there.contains(package)) << package;
  }
}

TEST(Container, WhatIsCopiedIsThere) {
  std::istringstream lines(containerfile());
  int copied = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    if (!(words >> word) || word != "COPY") continue;
    std::vector<std::string> paths;
    while (words >> word) paths.push_back(word);
    ASSERT_GE(paths.size(), 2U) << line;
    if (paths.front().starts_with("--from=")) continue;  // of the stage before
    paths.pop_back();
    for (const std::string& path : paths) {
      ++copied;
      EXPECT_TRUE(std::filesystem::exists(source_dir() / path)) << path;
    }
  }
  EXPECT_GT(copied, 0);
}

}  // namespace
}  // namespace rollcall::test
