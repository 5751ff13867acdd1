// The registry's file: what is written is what is read, whatever is damaged is told and never taken
// for an empty or shorter list, and a writer that dies leaves the old file or the new one.
#include "providers/local/registry/registry_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "core/codec/canonical.h"
#include "providers/local/registry/limits.h"
#include "providers/local/registry/utc_time.h"
#include "tests/support/mem_file_system.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kPath = "/r/registry.jsonl";
constexpr const char* kDirectory = "/r";

LocalEntry entry(const std::string& id) {
  LocalEntry e;
  e.node.id = NodeId(id);
  e.node.host = "10.0.0.1";
  e.node.port = 7000;
  e.node.zone = "z";
  e.node.labels = {{"rack", "r1"}};
  e.node.weight = 3;
  e.node.status = NodeStatus::Draining;
  e.node.incarnation = "life";
  e.process = {4711, 18'446'744'073'709'551'615u, "boot", "pid:[1] time:[2]"};
  e.socket = "/run/" + id + ".sock";
  e.version = "1.2";
  e.created = *parse_utc("2026-11-21T15:08:49.123Z");
  return e;
}

RegistryContent content() {
  RegistryContent c;
  c.revision = 7;
  c.entries = {entry("n1"), entry("n2")};
  return c;
}

std::string encoded(const RegistryContent& c) {
  const auto text = encode_registry(c);
  EXPECT_TRUE(text) << text.error().message;
  return text.value_or("");
}

// As a careful editor would: the lines, and a last one that fits them.
std::string sealed(const std::string& lines, std::size_t entries) {
  const std::string text = lines + "{\"entries\":" + std::to_string(entries) + ",\"checksum\":\"";
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(xxh64(text)));
  return text + digits + "\"}\n";
}

TEST(RegistryFile, WhatIsWrittenIsWhatIsRead) {
  const auto read = decode_registry(encoded(content()), kPath);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->revision, 7u);
  ASSERT_EQ(read->entries.size(), 2u);
  const LocalEntry wanted = entry("n2");
  const LocalEntry& found = read->entries[1];
  EXPECT_EQ(found.node, wanted.node);
  EXPECT_EQ(found.process, wanted.process);
  EXPECT_EQ(found.socket, wanted.socket);
  EXPECT_EQ(found.version, wanted.version);
  EXPECT_EQ(found.created, wanted.created);
  EXPECT_EQ(encoded(*read), encoded(content()));
}

TEST(RegistryFile, TheTimeOfCreationIsIso8601InUtc) {
  EXPECT_THAT(encoded(content()), HasSubstr("\"created\":\"2026-11-21T15:08:49.123Z\""));
  for (const char* text : {"1970-01-01T00:00:00.000Z", "2000-02-29T23:59:59.999Z",
                           "2026-12-31T00:00:00.001Z", "9999-12-31T23:59:59.999Z"}) {
    const auto time = parse_utc(text);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(utc_text(*time), text);
  }
  for (const char* text :
       {"", "2026-11-21", "2026-11-21T15:08:49Z", "2026-11-21T15:08:49.123",
        "2026-02-29T00:00:00.000Z", "2026-11-21T24:00:00.000Z", "2026-13-01T00:00:00.000Z",
        "2026-00-01T00:00:00.000Z", "2026-11-21t15:08:49.123z", "2026-11-21T15:60:49.123Z",
        " 2026-11-21T15:08:49.12Z"}) {
    EXPECT_FALSE(parse_utc(text)) << text;
  }
}

TEST(RegistryFile, EveryTruncationIsAnErrorWithItsLine) {
  const std::string good = encoded(content());
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto read = decode_registry(good.substr(0, size), kPath);
    ASSERT_FALSE(read) << "cut to " << size << " bytes: " << read->entries.size() << " entries";
    EXPECT_EQ(read.error().code, ErrorCode::StoreCorrupted);
    EXPECT_THAT(read.error().message, StartsWith(std::string(kPath) + ":")) << size;
    EXPECT_THAT(read.error().message, HasSubstr("mv '/r/registry.jsonl'"));
  }
}

TEST(RegistryFile, EveryFlippedBitIsAnError) {
  const std::string good = encoded(content());
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string text = good;
      text[i] = static_cast<char>(static_cast<unsigned char>(text[i]) ^ (1u << bit));
      const auto read = decode_registry(text, kPath);
      ASSERT_FALSE(read) << "byte " << i << ", bit " << bit << ":\n" << text;
      EXPECT_EQ(read.error().code, ErrorCode::StoreCorrupted);
    }
  }
}

TEST(RegistryFile, MissingAndDoubledLinesAreErrors) {
  const std::string good = encoded(content());
  const std::size_t first = good.find('\n') + 1;
  const std::size_t second = good.find('\n', first) + 1;
  for (const std::string& text :
       {good.substr(0, first) + good.substr(second), good + good.substr(first),
        good.substr(0, second) + good.substr(first), good + "\n", good + good,
        good.substr(first)}) {
    const auto read = decode_registry(text, kPath);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::StoreCorrupted);
  }
}

TEST(RegistryFile, AnErrorNamesTheLine) {
  const std::string good = encoded(content());
  const std::size_t second = good.find("\"n2\"");
  std::string text = good;
  text[second] = 'x';
  EXPECT_THAT(decode_registry(text, kPath).error().message, StartsWith("/r/registry.jsonl:3: "));
  text = good;
  text[good.find("7000") + 3] = '1';  // good JSON, another number
  EXPECT_THAT(decode_registry(text, kPath).error().message,
              AllOf(StartsWith("/r/registry.jsonl:4: "), HasSubstr("checksum")));
}

TEST(RegistryFile, ASealedFileOfWrongContentIsRefusedAsWell) {
  const std::string head = R"({"format":"rollcall.local","min_reader":1,"revision":"1"})"
                           "\n";
  const auto line = [](const std::string& change) {
    return R"({"id":"a","host":"h","pid":1,"start_time":"2","socket":"/s",)" + change +
           R"("created":"2026-11-21T15:08:49.123Z"})" + "\n";
  };
  ASSERT_TRUE(decode_registry(sealed(head + line(""), 1), kPath));
  ASSERT_TRUE(decode_registry(sealed(head, 0), kPath));
  const std::pair<std::string, std::size_t> wrong[] = {
      {head + line(""), 2},
      {head + line("") + line(""), 2},  // one id twice
      {head + line("\"pid\":2,"), 1},   // one key twice
      {head + line("\"port\":70000,"), 1},
      {head + line("\"version\":7,"), 1},
      {head + line("\"version\":\"" + std::string(200, 'v') + "\","), 1},
      {head + "[]\n", 1},
      {head + "\n", 1},
      {head + R"({"id":"a","host":"h","pid":1,"start_time":"2","socket":"s",)"
              R"("created":"2026-11-21T15:08:49.123Z"})"
              "\n",
       1},
      {head + R"({"id":"a","host":"h","pid":1,"start_time":"2","socket":"/s","created":"today"})"
              "\n",
       1},
      {head +
           R"({"id":"a","host":"h","pid":1,"start_time":"2","created":"2026-11-21T15:08:49.123Z"})"
           "\n",
       1},
      {"", 0},
      {R"({"format":"other","min_reader":1,"revision":"1"})"
       "\n",
       0},
      {R"({"format":"rollcall.local","min_reader":1})"
       "\n",
       0},
  };
  for (const auto& [lines, entries] : wrong) {
    const auto read = decode_registry(sealed(lines, entries), kPath);
    ASSERT_FALSE(read) << lines;
    EXPECT_EQ(read.error().code, ErrorCode::StoreCorrupted);
  }
}

TEST(RegistryFile, ALaterVersionsFieldsAreKeptAndItsFormatIsNotCalledDamaged) {
  const std::string text =
      sealed(R"({"format":"rollcall.local","min_reader":1,"revision":"1","epoch":[1,{"a":null}]})"
             "\n"
             R"({"id":"a","host":"h","pid":1,"start_time":"2","socket":"/s",)"
             R"("created":"2026-11-21T15:08:49.123Z","cgroup":"/x"})"
             "\n",
             1);
  const auto read = decode_registry(text, kPath);
  ASSERT_TRUE(read) << read.error().message;
  const std::string again = encoded(*read);
  EXPECT_THAT(again, AllOf(HasSubstr(R"("epoch":[1,{"a":null}])"), HasSubstr(R"("cgroup":"/x")")));

  const auto later =
      decode_registry(sealed(R"({"format":"rollcall.local","min_reader":2,"kept":"elsewhere"})"
                             "\n",
                             0),
                      kPath);
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, ErrorCode::StoreCorrupted);
  EXPECT_THAT(later.error().message, HasSubstr("not damaged"));
}

TEST(RegistryFile, NoFileIsAnEmptyRegistryAndAnEmptyFileIsABrokenOne) {
  MemFileSystem files;
  ASSERT_TRUE(files.make_directory(kDirectory));
  const auto none = load_registry(files, kDirectory);
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_TRUE(none->entries.empty());
  files.put(kPath, "");
  const auto empty = load_registry(files, kDirectory);
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, ErrorCode::StoreCorrupted);
  files.put(kPath, std::string(limits::kMaxLocalRegistryBytes + 1, ' '));
  EXPECT_EQ(load_registry(files, kDirectory).error().code, ErrorCode::StoreCorrupted);
  files.fail_nth(FileCall::Read, 1);
  EXPECT_EQ(load_registry(files, kDirectory).error().code, ErrorCode::StoreIo);
}

TEST(RegistryFile, WhatIsRememberedOfTheLastReadingChangesNoAnswer) {
  RegistryCache cache;
  RegistryContent c = content();
  ASSERT_TRUE(decode_registry(encoded(c), kPath, &cache));
  EXPECT_EQ(cache.size(), 2u);
  c.entries[1].node.weight = 9;
  c.entries.erase(c.entries.begin());
  c.entries.push_back(entry("n3"));
  const std::string text = encoded(c);
  const auto read = decode_registry(text, kPath, &cache);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(encoded(*read), text);
  EXPECT_EQ(cache.size(), 2u);  // of this text, and of no earlier one
  for (std::size_t size = 0; size < text.size(); ++size) {
    ASSERT_FALSE(decode_registry(text.substr(0, size), kPath, &cache)) << size;
  }
  const std::size_t first = text.find('\n') + 1;
  const std::string line = text.substr(first, text.find('\n', first) + 1 - first);
  const auto twice = decode_registry(sealed(text.substr(0, first) + line + line, 2), kPath, &cache);
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.error().message, HasSubstr("twice"));
}

TEST(RegistryFile, TooManyEntriesAreNotWritten) {
  RegistryContent many;
  for (std::size_t i = 0; i <= limits::kMaxLocalEntries; ++i) {
    many.entries.push_back(entry("n" + std::to_string(i)));
  }
  EXPECT_EQ(encode_registry(many).error().code, ErrorCode::LimitExceeded);
  many.entries.pop_back();
  const auto read = decode_registry(encoded(many), kPath);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->entries.size(), limits::kMaxLocalEntries);
}

// A write that fails, is cut by a power failure, or whose writer dies, at each of its steps.
TEST(RegistryFile, AWriterThatIsCutShortLeavesTheOldFileOrTheNewOne) {
  RegistryContent before = content();
  RegistryContent after = content();
  after.revision = 8;
  after.entries.push_back(entry("n3"));
  int cut = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    for (std::uint64_t at = 1; at <= 4; ++at) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", power cut at change " + std::to_string(at));
      MemFileSystem files(seed);
      ASSERT_TRUE(files.make_directory(kDirectory));
      ASSERT_TRUE(save_registry(files, kDirectory, before));
      files.cut_power_at(at);
      const bool saved = save_registry(files, kDirectory, after).has_value();
      cut += files.power_is_off();
      files.power_cut();
      const auto read = load_registry(files, kDirectory);
      ASSERT_TRUE(read) << read.error().message;
      EXPECT_TRUE(read->revision == 8 || (read->revision == 7 && !saved)) << read->revision;
      EXPECT_EQ(read->entries.size(), read->revision == 8 ? 3u : 2u);
      // What is left of the temporary file is in nobody's way.
      ASSERT_TRUE(save_registry(files, kDirectory, after));
      EXPECT_EQ(load_registry(files, kDirectory)->revision, 8u);
    }
  }
  EXPECT_GT(cut, 40);
}

TEST(RegistryFile, AFailedStepLeavesTheOldFileOrSaysThatItIsUnknown) {
  for (const FileCall call : {FileCall::WriteSynced, FileCall::Rename, FileCall::SyncDirectory}) {
    SCOPED_TRACE(to_string(call));
    MemFileSystem files;
    ASSERT_TRUE(files.make_directory(kDirectory));
    ASSERT_TRUE(save_registry(files, kDirectory, content()));
    RegistryContent after = content();
    after.revision = 8;
    files.fail_nth(call, 1);
    const auto saved = save_registry(files, kDirectory, after);
    ASSERT_FALSE(saved);
    EXPECT_EQ(saved.error().code, ErrorCode::StoreIo);
    const bool unknown = saved.error().message.find("unknown") != std::string::npos;
    EXPECT_EQ(unknown, call == FileCall::SyncDirectory) << saved.error().message;
    EXPECT_EQ(load_registry(files, kDirectory)->revision, unknown ? 8u : 7u);
  }
}

}  // namespace
}  // namespace rollcall::test
