// The pure parts of the kind `custom`: settings, messages, output, history.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "providers/custom/custom_stream.h"
#include "providers/custom/limits.h"
#include "providers/custom/plugin_messages.h"
#include "providers/custom/plugin_output.h"
#include "providers/custom/plugin_settings.h"

namespace rollcall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

ProviderDescriptor descriptor(std::map<std::string, std::string> params,
                              std::vector<std::string> endpoints = {}) {
  ProviderDescriptor d;
  d.id = ProviderId("p");
  d.kind = "custom";
  d.endpoints = std::move(endpoints);
  d.watch_params = std::move(params);
  return d;
}

std::vector<std::string> fields_of_problems(const ProviderDescriptor& d) {
  std::vector<std::string> fields;
  for (const Problem& problem : validate_custom(d, "p")) fields.push_back(problem.field);
  return fields;
}

// --- settings ---

TEST(PluginSettings, R1_1_EitherASocketOrACommand) {
  EXPECT_THAT(fields_of_problems(descriptor({{"command", "/x"}})), ElementsAre());
  EXPECT_THAT(fields_of_problems(descriptor({}, {"unix:/run/p.sock"})), ElementsAre());
  EXPECT_THAT(fields_of_problems(descriptor({}, {"unix:///run/p.sock"})), ElementsAre());
  EXPECT_THAT(fields_of_problems(descriptor({})), ElementsAre("p.endpoints"));
  EXPECT_THAT(fields_of_problems(descriptor({{"command", "/x"}}, {"unix:/run/p.sock"})),
              ElementsAre("p.endpoints"));
  for (const std::string& endpoint :
       {std::string("http://127.0.0.1:1"), std::string("unix:p.sock"), std::string("/run/p.sock"),
        "unix:/" + std::string(107, 'x')}) {
    EXPECT_THAT(fields_of_problems(descriptor({}, {endpoint})), ElementsAre("p.endpoints[0]"))
        << endpoint;
  }
  EXPECT_THAT(fields_of_problems(descriptor({}, {"unix:/a", "unix:/b"})),
              ElementsAre("p.endpoints[0]"));
  EXPECT_THAT(fields_of_problems(descriptor({{"args", "[]"}}, {"unix:/a"})),
              ElementsAre("p.watch_params.args"));
}

TEST(PluginSettings, R1_1_ListsAndMapsAreJson) {
  const auto problems_of = [](const char* name, const char* value) {
    return fields_of_problems(descriptor({{"command", "/x"}, {name, value}}));
  };
  for (const char* bad : {"", "--dir /x", "{}", "[1]", "[\"a\\u0000b\"]"}) {
    EXPECT_THAT(problems_of("args", bad), ElementsAre("p.watch_params.args")) << bad;
  }
  for (const char* bad : {"", "dir=/x", "[]", R"({"a":[]})", R"({"a":null})", R"({"a":1,"a":2})"}) {
    EXPECT_THAT(problems_of("config", bad), ElementsAre("p.watch_params.config")) << bad;
  }
  for (const char* bad : {R"({"A B":"x"})", R"({"ROLLCALL_PLUGIN_SOCKET":"/x"})"}) {
    EXPECT_THAT(problems_of("env", bad), ElementsAre("p.watch_params.env")) << bad;
  }
  EXPECT_THAT(problems_of("attest_ms", "49"), ElementsAre("p.watch_params.attest_ms"));
  EXPECT_THAT(problems_of("start_ms", "60001"), ElementsAre("p.watch_params.start_ms"));
}

TEST(PluginSettings, ValuesAreNotShownInProblems) {
  const auto d = descriptor({{"command", "/x"}, {"config", "hunter2"}, {"args", "hunter2"}});
  for (const Problem& problem : validate_custom(d, "p")) {
    EXPECT_THAT(problem.value, Not(HasSubstr("hunter2")));
  }
}

TEST(PluginSettings, AreWhatTheDescriptorSays) {
  const PluginSettings settings =
      plugin_settings(descriptor({{"command", "/x"},
                                  {"args", R"(["--a","b c"])"},
                                  {"config", R"({"n":7,"t":true,"s":"x"})"}}));
  EXPECT_TRUE(settings.supervised());
  EXPECT_THAT(settings.arguments, ElementsAre("--a", "b c"));
  EXPECT_EQ(settings.config,
            (std::map<std::string, std::string>{{"n", "7"}, {"t", "true"}, {"s", "x"}}));
  EXPECT_EQ(to_ms(settings.attest), 5000);
  EXPECT_EQ(to_ms(settings.silence()), 6500);
  EXPECT_EQ(plugin_settings(descriptor({}, {"unix:///run/p.sock"})).socket, "/run/p.sock");
}

TEST(PluginSettings, SilenceEndsBeforeTheCoreCallsItDegraded) {
  // SPEC 3: 12 s, or 1.2 times the interval of a provider that says that it is slower.
  const auto silence = [](const char* attest) {
    return plugin_settings(descriptor({{"command", "/x"}, {"attest_ms", attest}})).silence();
  };
  EXPECT_LE(silence("10000"), Duration(limits::kDegradedAfter));
  EXPECT_EQ(silence("60000"), Duration(std::chrono::seconds(72)));
}

// --- messages ---

v1::PluginSnapshotChunk chunk(unsigned index, std::vector<std::string> ids, bool last) {
  v1::PluginSnapshotChunk chunk;
  chunk.set_chunk_index(index);
  chunk.set_last(last);
  for (const std::string& id : ids) {
    chunk.add_members()->set_id(id);
    chunk.mutable_members(chunk.members_size() - 1)->set_host("10.0.0.1");
  }
  return chunk;
}

TEST(SnapshotAssembler, PutsChunksTogetherAndBeginsAnew) {
  SnapshotAssembler assembler;
  for (int round = 0; round < 2; ++round) {
    auto first = assembler.add(chunk(0, {"a", "b"}, false), 10);
    ASSERT_TRUE(first.has_value());
    EXPECT_FALSE(first->has_value());
    EXPECT_TRUE(assembler.in_progress());
    auto last = chunk(1, {"c"}, true);
    last.set_backend_index("r7");
    last.set_history(9);
    auto whole = assembler.add(last, 10);
    ASSERT_TRUE(whole.has_value() && whole->has_value());
    EXPECT_EQ((*whole)->members.size(), 3u);
    EXPECT_EQ((*whole)->backend_index, "r7");
    EXPECT_EQ((*whole)->history, 9u);
    EXPECT_FALSE(assembler.in_progress());
  }
}

TEST(SnapshotAssembler, AnEmptyLastChunkMayEndASnapshotAndMayBeAllOfIt) {
  SnapshotAssembler assembler;
  EXPECT_TRUE(assembler.add(chunk(0, {}, true), 1)->has_value());
  EXPECT_FALSE(assembler.add(chunk(0, {"a"}, false), 1)->has_value());
  EXPECT_EQ((*assembler.add(chunk(1, {}, true), 1))->members.size(), 1u);
}

TEST(SnapshotAssembler, BoundsBytesAndMembers) {
  SnapshotAssembler bytes;
  const auto too_large = bytes.add(chunk(0, {"a"}, false), limits::kMaxBackendAnswerBytes + 1);
  ASSERT_FALSE(too_large.has_value());
  EXPECT_EQ(too_large.error().code, ErrorCode::LimitExceeded);

  SnapshotAssembler members;
  std::size_t count = 0;
  auto result = Result<std::optional<SnapshotAssembler::Complete>>(std::nullopt);
  for (unsigned index = 0; result && index <= limits::kMaxMembers / 10'000; ++index) {
    std::vector<std::string> ids;
    for (int i = 0; i < 10'000; ++i) ids.push_back(std::to_string(count++));
    result = members.add(chunk(index, ids, false), 1);
  }
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::LimitExceeded);
}

TEST(PluginMessages, TheDefaultsOfANodeAreThoseOfTheProtocol) {
  v1::Node message;
  message.set_id("a");
  message.set_host("10.0.0.1");
  (*message.mutable_labels())["rollcall-incarnation"] = "3";
  const auto node = node_from_plugin(message, "members[0]");
  ASSERT_TRUE(node.has_value()) << node.error().message;
  EXPECT_EQ(node->weight, 1u);
  EXPECT_EQ(node->status, NodeStatus::Ready);
  EXPECT_EQ(node->incarnation, "3");
}

TEST(PluginMessages, OnlyCodesOfABackendAreAPluginsToGive) {
  v1::PluginFailure failed;
  for (const char* code :
       {"BACKEND_UNAVAILABLE", "TIMEOUT", "AUTH_FAILED", "PERMISSION_DENIED", "INVALID_CONFIG",
        "LIMIT_EXCEEDED", "MALFORMED_RESPONSE", "CAPABILITY_MISSING", "INDEX_ROLLBACK"}) {
    failed.set_code(code);
    EXPECT_EQ(to_string(failure_from_plugin(failed).code), code);
  }
  for (const char* code : {"", "STORE_IO", "SHUTTING_DOWN", "timeout", "x\ny"}) {
    failed.set_code(code);
    const auto error = failure_from_plugin(failed);
    EXPECT_EQ(error.code, ErrorCode::MalformedResponse) << code;
    EXPECT_THAT(error.message, Not(HasSubstr("\n")));
  }
  failed.set_code("TIMEOUT");
  failed.set_detail(std::string(100'000, 'x'));
  EXPECT_LE(failure_from_plugin(failed).message.size(), limits::kMaxPluginDetailBytes);
}

// --- output ---

TEST(PluginOutput, KeepsTheLastLinesWhateverComes) {
  PluginOutput output;
  EXPECT_EQ(output.tail(100), "");
  output.add("one\ntw");
  output.add("o\r\n\n\x1b[31m");
  output.finish();
  EXPECT_EQ(output.tail(100), "one | two | \\x1b[31m");
  EXPECT_EQ(output.tail(16), "two | \\x1b[31m");
  for (int i = 0; i < 1000; ++i) output.add(std::string(100'000, 'z'));
  output.add("\nlast\n");
  const std::string tail = output.tail(10'000);
  EXPECT_THAT(tail, ::testing::EndsWith("z | last"));
  EXPECT_LE(tail.size(), limits::kPluginOutputLines * (limits::kPluginOutputLineBytes + 3));
}

// --- history ---

TEST(PluginHistory, AnotherBackendIsAnotherLineageAndAnUnknownOneIsNot) {
  PluginHistory history;
  EXPECT_EQ(history.note(0), 0u);
  EXPECT_EQ(history.note(7), 0u);
  EXPECT_EQ(history.note(0), 0u);
  EXPECT_EQ(history.note(7), 0u);
  EXPECT_EQ(history.note(8), 1u);
  history.broke();
  EXPECT_EQ(history.note(8), 2u);
}

}  // namespace
}  // namespace rollcall
