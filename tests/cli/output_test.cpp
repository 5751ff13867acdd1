// An output that takes nothing more, and an argument that would be taken for another; no sidecar.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "deploy/rollcall/cli.h"

namespace rollcall::cli {
namespace {

int run_into(std::ostream& out, std::ostream& err, const std::vector<std::string>& arguments) {
  const client::Surroundings nowhere{
      [](const char* name) {
        return std::string(name) == "ROLLCALL_SERVER" ? "unix:/nonexistent/rollcall.sock" : "";
      },
      false};
  return run(arguments, out, err, nowhere);
}

TEST(OutputTest, WhatCannotBeWrittenIsAnErrorOfItsOwn) {
  std::string registry = (std::filesystem::temp_directory_path() / "rollcall-XXXXXX").string();
  ASSERT_NE(::mkdtemp(registry.data()), nullptr);
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--help"}, {"local", "list", "--dir", registry}}) {
    std::ostringstream taken;
    std::ostringstream err;
    ASSERT_EQ(run_into(taken, err, arguments), 0) << err.str();
    std::ostream full(nullptr);  // every write fails
    EXPECT_EQ(run_into(full, err, arguments), 6) << ::testing::PrintToString(arguments);
    EXPECT_TRUE(err.str().starts_with("error: STORE_IO: the output")) << err.str();
  }
  std::filesystem::remove_all(registry);
}

TEST(OutputTest, AWeightOfNothingIsRefusedAsTheApiWouldTakeItForOne) {
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(run_into(out, err, {"member", "join", "n1", "10.0.0.1:7000", "--weight", "0"}), 2);
  EXPECT_NE(err.str().find("--weight"), std::string::npos) << err.str();
}

}  // namespace
}  // namespace rollcall::cli
