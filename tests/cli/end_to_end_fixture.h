// The command as a process against the real sidecar.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/codec/json_reader.h"
#include "tests/daemon/daemon_process.h"

namespace rollcall::test {

class EndToEndTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
  }
  Finished rollcall(std::vector<std::string> arguments, std::string_view input = {}) {
    arguments.insert(arguments.begin(),
                     {(bin_dir() / "rollcall").string(), "--server", daemon_.address()});
    const auto finished = run(std::move(arguments), kHungProgram, input);
    EXPECT_TRUE(finished) << finished.error();
    return finished.value_or(Finished{});
  }
  // Runs it, expects this exit status, and gives what it wrote.
  std::string expect(int status, std::vector<std::string> arguments, std::string_view input = {}) {
    const std::string shown = ::testing::PrintToString(arguments);
    const Finished finished = rollcall(std::move(arguments), input);
    EXPECT_EQ(finished.exit.code, status) << shown << "\n" << finished.output;
    return finished.output;
  }
  JsonValue json(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--output", "json"});
    const std::string text = expect(0, std::move(arguments));
    auto value = parse_json(text);
    EXPECT_TRUE(value) << text;
    return value.value_or(JsonValue());
  }
  std::string position() {
    const JsonValue status = json({"status"});
    return *status.find("epoch")->as_string() + ":" + *status.find("seq_no")->as_string();
  }
  static std::string file_descriptor(const std::string& id, int priority, const std::string& path) {
    return R"({"id":")" + id + R"(","kind":"file","priority":)" + std::to_string(priority) +
           R"(,"watch_params":{"path":")" + path + R"("}})";
  }
  bool becomes(const std::string& text, const std::vector<std::string>& arguments) {
    return eventually(kHungProgram,
                      [&] { return rollcall(arguments).output.find(text) != std::string::npos; });
  }

  DaemonProcess daemon_;
};

}  // namespace rollcall::test
