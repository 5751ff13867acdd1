#include "provisioning/registry/state_files.h"

#include <gmock/gmock.h>

#include <functional>
#include <string>
#include <vector>

#include "core/codec/canonical.h"
#include "provisioning/registry/hex.h"
#include "provisioning/registry/state_directory.h"
#include "tests/registry/test_catalog.h"
#include "tests/support/mem_file_system.h"

namespace rollcall {
namespace {

using test::FileCall;
using test::MemFileSystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kDir = "/state";

std::string path_of(std::string_view name) { return std::string(kDir) + "/" + std::string(name); }

std::string sealed(const std::string& fields) {
  const std::string rest = fields + "}";
  return R"({"checksum":")" + to_hex(xxh64(rest)) + R"(",)" + rest + "\n";
}

BlockTable blocks() {
  BlockTable table;
  for (const char* id : {"node-a", "node-b", "n\"c\\\xc3\xa4"}) {
    Block block;
    block.node = NodeId(id);
    block.incarnation = id[0] == 'n' ? "" : "7";
    block.expires_at = from_unix_ms(1'790'000'000'123);
    block.recovering = std::string(id) == "node-b";
    table.emplace(block.node, block);
  }
  return table;
}

ClusterNode node(const std::string& id) {
  ClusterNode n;
  n.id = NodeId(id);
  n.host = "10.1.2.3";
  n.port = 7000;
  n.zone = "west";
  n.labels = {{"rack", "r1"}, {"note", "line\nbreak"}};
  n.weight = 3;
  n.status = NodeStatus::Draining;
  n.incarnation = "42";
  return n;
}

SavedTopology topology() {
  return {MemberMap::from({make_member(node("a")), make_member(node("b")), make_member(node("c"))}),
          from_unix_ms(1'790'000'000'000), ProviderId("c1")};
}

class StateFilesTest : public ::testing::Test {
 protected:
  StateFilesTest() { EXPECT_TRUE(files_.make_directory(kDir)); }
  MemFileSystem files_;
  StateFiles state_{files_, kDir};
};

TEST_F(StateFilesTest, WhatIsAbsentIsEmpty) {
  EXPECT_THAT(*state_.load_blocks(), IsEmpty());
  EXPECT_THAT(*state_.load_holds(), IsEmpty());
  EXPECT_FALSE(state_.load_observed()->has_value());
  EXPECT_FALSE(state_.load_topology()->has_value());
  EXPECT_THAT(files_.paths(), IsEmpty());
}

TEST_F(StateFilesTest, BlocksSurvive) {
  ASSERT_TRUE(state_.save_blocks(blocks()));
  EXPECT_EQ(*StateFiles(files_, kDir).load_blocks(), blocks());
}

TEST_F(StateFilesTest, HoldsSurvive) {
  ASSERT_TRUE(state_.save_holds({ProviderId("b"), ProviderId("a")}));
  EXPECT_THAT(*StateFiles(files_, kDir).load_holds(),
              ElementsAre(ProviderId("b"), ProviderId("a")));
}

TEST_F(StateFilesTest, ObservationsSurviveAndBelongToOneBackend) {
  const auto before = test::consul("c1");
  auto after = before;
  after.priority = 99;
  after.enabled = false;
  EXPECT_EQ(backend_digest(before), backend_digest(after)) << "not part of the backend";
  after.watch_params["service"] = "other";
  EXPECT_NE(backend_digest(before), backend_digest(after));
  const ObservedProviders observed{{{before.id, backend_digest(before)}, {true, std::nullopt}},
                                   {{before.id, backend_digest(after)}, {false, "watching"}}};
  ASSERT_TRUE(state_.save_observed(observed));
  EXPECT_EQ(*StateFiles(files_, kDir).load_observed(), observed);
}

TEST_F(StateFilesTest, TheTopologySurvivesWithItsHash) {
  ASSERT_TRUE(state_.save_topology(topology()));
  const auto loaded = StateFiles(files_, kDir).load_topology();
  ASSERT_TRUE(loaded && *loaded);
  EXPECT_EQ((*loaded)->members.hash(), topology().members.hash());
  EXPECT_EQ((*loaded)->members.to_vector(), topology().members.to_vector());
  EXPECT_EQ((*loaded)->observed_at, topology().observed_at);
  EXPECT_EQ((*loaded)->provider, ProviderId("c1"));
}

TEST_F(StateFilesTest, BlockedMembersAreSavedAsTheNodesThatTheyAre) {
  auto with_block = topology();
  with_block.members = with_block.members.with(make_member(node("b"), true));
  ASSERT_TRUE(state_.save_topology(with_block));
  EXPECT_EQ((*state_.load_topology())->members.hash(), topology().members.hash());
}

TEST_F(StateFilesTest, AnEmptyTopologyIsNotNone) {
  ASSERT_TRUE(state_.save_topology({MemberMap(), from_unix_ms(5), ProviderId("p")}));
  const auto loaded = state_.load_topology();
  ASSERT_TRUE(loaded && *loaded);
  EXPECT_TRUE((*loaded)->members.empty());
}

// --- boot ---

TEST_F(StateFilesTest, TheBootCounterRisesByOne) {
  for (std::uint64_t boot = 1; boot <= 5; ++boot) {
    EXPECT_EQ(*StateFiles(files_, kDir).next_boot(), boot);
    files_.power_cut();
  }
}

TEST_F(StateFilesTest, ABootThatCouldNotBeStoredIsNoBoot) {
  ASSERT_TRUE(state_.next_boot());
  for (const FileCall call : {FileCall::WriteSynced, FileCall::Rename, FileCall::SyncDirectory}) {
    files_.fail_nth(call, 1);
    const auto boot = StateFiles(files_, kDir).next_boot();
    ASSERT_FALSE(boot);
    EXPECT_EQ(boot.error().code, ErrorCode::StoreIo);
  }
}

TEST_F(StateFilesTest, ABrokenOrLostCounterStopsTheStartAndNamesTheCommand) {
  ASSERT_TRUE(state_.next_boot());
  ASSERT_TRUE(state_.next_boot());
  const std::string copied = "cp '/state/boot.jsonl.copy' '/state/boot.jsonl'";
  files_.put(path_of(kBootFile), "x");
  auto boot = StateFiles(files_, kDir).next_boot();
  ASSERT_FALSE(boot);
  EXPECT_EQ(boot.error().code, ErrorCode::StoreCorrupted);
  EXPECT_THAT(boot.error().message, AllOf(HasSubstr("/state/boot.jsonl:1"), HasSubstr(copied)));

  ASSERT_TRUE(files_.remove(path_of(kBootFile)));
  boot = StateFiles(files_, kDir).next_boot();
  ASSERT_FALSE(boot);
  EXPECT_THAT(boot.error().message, AllOf(HasSubstr("missing"), HasSubstr(copied)));

  files_.put(path_of(kBootFile), *files_.content(path_of(kBootCopy)));
  EXPECT_EQ(*StateFiles(files_, kDir).next_boot(), 3u) << "after the command no number repeats";
}

TEST_F(StateFilesTest, WithBothCountersBrokenTheCommandStartsAnew) {
  files_.put(path_of(kBootFile), "x");
  files_.put(path_of(kBootCopy), "y");
  const auto boot = state_.next_boot();
  ASSERT_FALSE(boot);
  EXPECT_THAT(boot.error().message,
              AllOf(HasSubstr("mv '/state/boot.jsonl' "), HasSubstr("mv '/state/boot.jsonl.copy' "),
                    HasSubstr("new epoch")));
  ASSERT_TRUE(files_.remove(path_of(kBootFile)));
  ASSERT_TRUE(files_.remove(path_of(kBootCopy)));
  EXPECT_EQ(*state_.next_boot(), 1u) << "with no other state there is nothing that could repeat";
}

// What the printf of a command writes.
std::string printed_by(const std::string& message) {
  const std::string start = "printf '%s\\n' '";
  const auto begin = message.find(start);
  const auto end = message.find("' > '/state/boot.jsonl'");
  if (begin == std::string::npos || end == std::string::npos) return "no command in " + message;
  std::string text = message.substr(begin + start.size(), end - begin - start.size());
  for (auto at = text.find("' '"); at != std::string::npos; at = text.find("' '")) {
    text.replace(at, 3, "\n");
  }
  return text + "\n";
}

TEST_F(StateFilesTest, R1_5_BothCountersLostBesideOtherStateStopTheStart) {
  const std::vector<std::string> others = {"providers.jsonl",          "providers.jsonl.prev",
                                           std::string(kBlocksFile),   std::string(kHoldsFile),
                                           std::string(kObservedFile), std::string(kTopologyFile),
                                           "members/default/00.json"};
  for (const std::string& other : others) {
    SCOPED_TRACE(other);
    MemFileSystem files;
    files.put(path_of(other), "whatever it holds");
    const auto boot = StateFiles(files, kDir).next_boot();
    ASSERT_FALSE(boot) << "boot " << *boot << " gives out numbers again";
    EXPECT_EQ(boot.error().code, ErrorCode::StoreCorrupted);
    EXPECT_THAT(boot.error().message,
                AllOf(HasSubstr("/state/boot.jsonl: is missing"), HasSubstr("boot.jsonl.copy"),
                      HasSubstr(other.substr(0, other.find('/')) + " is there")));
    EXPECT_FALSE(files.content(path_of(kBootFile)));
    const auto report = verify_store(files, kDir);
    ASSERT_TRUE(report);
    EXPECT_FALSE(report->sound());

    files.put(path_of(kBootFile), printed_by(boot.error().message));
    const auto after = StateFiles(files, kDir).next_boot();
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_GT(*after, 1'000'000u) << "above what a sidecar ever counts to";
  }
}

TEST_F(StateFilesTest, WhatIsNoStateDoesNotHinderTheFirstStart) {
  files_.put(path_of("lock"), "rollcalld");
  files_.put(path_of("http.address"), "127.0.0.1:1");
  files_.put(path_of("boot.jsonl.tmp"), "half a");
  EXPECT_EQ(*state_.next_boot(), 1u);
}

TEST_F(StateFilesTest, TheCounterStopsBeforeItOverflowsTheSequenceNumbers) {
  SealedWriter file("rollcall.boot");
  file.record([](JsonWriter& fields) { fields.field("boot", kMaxBoot); });
  files_.put(path_of(kBootFile), *std::move(file).finish([](JsonWriter&) {}));
  const auto boot = state_.next_boot();
  ASSERT_FALSE(boot);
  EXPECT_THAT(boot.error().message, HasSubstr("last boot number"));
}

// --- hostile files ---

struct Kind {
  std::string name;
  std::function<void(StateFiles&)> save;
  std::function<bool(StateFiles&, bool& refused)> same;  // whether what loads is what was saved
};

std::vector<Kind> kinds() {
  const auto judge = [](const auto& loaded, const auto& same, bool& refused) {
    refused = !loaded;
    if (refused) {
      EXPECT_EQ(loaded.error().code, ErrorCode::StoreCorrupted) << loaded.error().message;
      EXPECT_THAT(loaded.error().message, HasSubstr("/state/"));
      return false;
    }
    return same(*loaded);
  };
  const ObservedProviders observed{{{ProviderId("p"), 7}, {true, "x"}}};
  return {
      {std::string(kBlocksFile), [](StateFiles& s) { EXPECT_TRUE(s.save_blocks(blocks())); },
       [=](StateFiles& s, bool& refused) {
         return judge(
             s.load_blocks(), [](const auto& v) { return v == blocks(); }, refused);
       }},
      {std::string(kHoldsFile), [](StateFiles& s) { EXPECT_TRUE(s.save_holds({ProviderId("p")})); },
       [=](StateFiles& s, bool& refused) {
         return judge(
             s.load_holds(),
             [](const auto& v) { return v == std::vector<ProviderId>{ProviderId("p")}; }, refused);
       }},
      {std::string(kObservedFile), [=](StateFiles& s) { EXPECT_TRUE(s.save_observed(observed)); },
       [=](StateFiles& s, bool& refused) {
         return judge(
             s.load_observed(), [&](const auto& v) { return v == observed; }, refused);
       }},
      {std::string(kTopologyFile), [](StateFiles& s) { EXPECT_TRUE(s.save_topology(topology())); },
       [=](StateFiles& s, bool& refused) {
         return judge(
             s.load_topology(),
             [](const auto& v) {
               return v && v->members.hash() == topology().members.hash() &&
                      v->provider == ProviderId("c1") && v->observed_at == topology().observed_at;
             },
             refused);
       }},
      {std::string(kBootFile), [](StateFiles& s) { EXPECT_TRUE(s.next_boot()); },
       [=](StateFiles& s, bool& refused) {
         return judge(
             s.next_boot(), [](std::uint64_t boot) { return boot == 2; }, refused);
       }},
  };
}

TEST(HostileStateFiles, NoChangedByteAndNoCutGoesUnnoticed) {
  for (const Kind& kind : kinds()) {
    MemFileSystem source;
    ASSERT_TRUE(source.make_directory(kDir));
    StateFiles writer(source, kDir);
    kind.save(writer);
    const std::string text = *source.content(path_of(kind.name));
    const auto check = [&](const std::string& changed, const std::string& what) {
      MemFileSystem files;
      ASSERT_TRUE(files.make_directory(kDir));
      files.put(path_of(kind.name), changed);
      StateFiles state(files, kDir);
      bool refused = false;
      const bool same = kind.same(state, refused);
      EXPECT_TRUE(same || refused) << kind.name << ": " << what;
      EXPECT_EQ(refused, changed != text) << kind.name << ": " << what;
    };
    check(text, "as it was");
    for (std::size_t i = 0; i < text.size(); ++i) {
      for (const unsigned flip : {0x01u, 0x20u, 0x80u}) {
        std::string changed = text;
        changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ flip);
        check(changed, "byte " + std::to_string(i));
      }
      check(text.substr(0, i), "cut at " + std::to_string(i));
    }
  }
}

TEST_F(StateFilesTest, ACorruptFileNamesTheCommandThatSetsItAside) {
  files_.put(path_of(kBlocksFile), "nonsense\n");
  const auto loaded = state_.load_blocks();
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message,
              AllOf(HasSubstr("/state/blocks.jsonl:1"),
                    HasSubstr("mv '/state/blocks.jsonl' '/state/blocks.jsonl.broken'")));
}

TEST_F(StateFilesTest, AValidSealOverWrongContentIsRefusedAsWell) {
  const auto file = [](const std::string& format, const std::string& record,
                       const std::string& trailer) {
    std::string text = sealed(R"("format":")" + format + R"(","min_reader":1)") + sealed(record);
    return text + sealed(R"("count":1,"digest":")" + to_hex(xxh64(text)) + "\"" + trailer);
  };
  files_.put(path_of(kBlocksFile),
             file("rollcall.blocks", R"("node":7,"expires_at_unix_ms":1)", ""));
  EXPECT_THAT(state_.load_blocks().error().message, HasSubstr("blocks.jsonl:2: field node"));
  files_.put(path_of(kBlocksFile), file("rollcall.holds", R"("provider":"p")", ""));
  EXPECT_THAT(state_.load_blocks().error().message, HasSubstr("is of format rollcall.holds"));
  files_.put(path_of(kTopologyFile),
             file("rollcall.topology", R"("member":{"id":"a","host":"h","port":1})",
                  R"(,"provider":"p","observed_at_unix_ms":1,"snapshot_hash":"1")"));
  EXPECT_THAT(state_.load_topology().error().message, HasSubstr("topology.jsonl:3"));
  files_.put(path_of(kTopologyFile), file("rollcall.topology", R"("member":{"id":"a"})", ""));
  EXPECT_THAT(state_.load_topology().error().message, HasSubstr("member.host"));
}

TEST_F(StateFilesTest, UnknownFieldsAreKeptOnRewrite) {
  std::string text = sealed(R"("format":"rollcall.blocks","min_reader":1,"by":"9.9")") +
                     sealed(R"("node":"a","expires_at_unix_ms":5,"who":{"op":"x"})");
  text += sealed(R"("count":1,"digest":")" + to_hex(xxh64(text)) + R"(","tail":true)");
  files_.put(path_of(kBlocksFile), text);
  auto table = *state_.load_blocks();
  table.merge(blocks());
  ASSERT_TRUE(state_.save_blocks(table));
  EXPECT_THAT(*files_.content(path_of(kBlocksFile)),
              AllOf(HasSubstr(R"("by":"9.9")"), HasSubstr(R"("who":{"op":"x"})"),
                    HasSubstr(R"("tail":true)")));
  EXPECT_EQ(*StateFiles(files_, kDir).load_blocks(), table);
}

TEST_F(StateFilesTest, AWriteWithUnknownOutcomeSaysSo) {
  files_.fail_nth(FileCall::SyncDirectory, 1);
  const auto saved = state_.save_blocks(blocks());
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, ErrorCode::StoreIo);
  EXPECT_THAT(saved.error().message, HasSubstr("unknown"));
  EXPECT_TRUE(saved.error().unknown);
  files_.fail_nth(FileCall::Rename, 1);
  const auto failed = state_.save_holds({});
  ASSERT_FALSE(failed);
  EXPECT_FALSE(failed.error().unknown);
}

TEST_F(StateFilesTest, ATopologyThatCouldNotBeReadAgainIsNotWritten) {
  ASSERT_TRUE(state_.save_topology(topology()));
  const std::string before = *files_.content(path_of(kTopologyFile));
  StateFiles fits(files_, kDir, before.size());
  EXPECT_TRUE(fits.save_topology(topology()));
  StateFiles small(files_, kDir, before.size() - 1);
  const auto saved = small.save_topology(topology());
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, ErrorCode::LimitExceeded);
  EXPECT_FALSE(saved.error().unknown);
  EXPECT_EQ(*files_.content(path_of(kTopologyFile)), before);
  const auto loaded = state_.load_topology();
  ASSERT_TRUE(loaded && *loaded);
  EXPECT_EQ((*loaded)->members.hash(), topology().members.hash());
}

// --- the directory ---

TEST(StateDirectoryTest, TheSecondProcessIsToldWhoHoldsIt) {
  MemFileSystem files;
  auto first = StateDirectory::open(files, "/state", "rollcalld, pid 4711");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->path(), "/state");
  const auto second = StateDirectory::open(files, "/state", "rollcalld, pid 4712");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::StoreLocked);
  EXPECT_THAT(second.error().message, HasSubstr("pid 4711"));
}

TEST(StateDirectoryTest, TheNameOfADirectoryThatWasThereIsSynced) {
  // By whoever made it perhaps, perhaps not. A parent that refuses is no reason not to start.
  for (const bool refused : {false, true}) {
    MemFileSystem files;
    ASSERT_TRUE(files.make_directory("/var/lib/rollcall"));
    const auto before = files.calls(FileCall::SyncDirectory);
    if (refused) files.fail_nth(FileCall::SyncDirectory, 1);
    EXPECT_TRUE(StateDirectory::open(files, "/var/lib/rollcall", "one"));
    EXPECT_EQ(files.calls(FileCall::SyncDirectory), before + 1);
  }
}

TEST(StateDirectoryTest, TheLockEndsWithTheObject) {
  MemFileSystem files;
  { ASSERT_TRUE(StateDirectory::open(files, "/state", "one")); }
  EXPECT_TRUE(StateDirectory::open(files, "/state", "two"));
}

TEST(VerifyStoreTest, EachFileIsReportedAndNothingIsChanged) {
  MemFileSystem files;
  ASSERT_TRUE(files.make_directory(kDir));
  StateFiles state(files, kDir);
  ASSERT_TRUE(state.next_boot());
  ASSERT_TRUE(state.save_blocks(blocks()));
  files.put(path_of(kHoldsFile), "broken\n");
  const auto calls = files.changing_calls();
  const auto report = verify_store(files, kDir);
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->sound());
  EXPECT_EQ(files.changing_calls(), calls);
  const auto find = [&](std::string_view name) {
    for (const FileHealth& file : report->files) {
      if (file.file == name) return file;
    }
    ADD_FAILURE() << name;
    return FileHealth{};
  };
  EXPECT_EQ(find("providers.jsonl").state, FileHealth::State::Absent);
  EXPECT_EQ(find("boot.jsonl").detail, "boot 1");
  EXPECT_EQ(find("blocks.jsonl").detail, "3 blocks");
  EXPECT_EQ(find("topology.jsonl").state, FileHealth::State::Absent);
  const FileHealth holds = find("holds.jsonl");
  EXPECT_EQ(holds.state, FileHealth::State::Broken);
  EXPECT_EQ(holds.recovery, "mv '/state/holds.jsonl' '/state/holds.jsonl.broken'");
  EXPECT_EQ(holds.detail, "/state/holds.jsonl:1: does not begin with a checksum");
}

TEST(VerifyStoreTest, FilesThatAreMissedAreBroken) {
  MemFileSystem files;
  ASSERT_TRUE(files.make_directory(kDir));
  StateFiles state(files, kDir);
  ASSERT_TRUE(state.next_boot());
  ASSERT_TRUE(files.remove(path_of(kBootFile)));
  const auto report = verify_store(files, kDir);
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->sound());
  EXPECT_FALSE(verify_store(files, "/nowhere"));
}

}  // namespace
}  // namespace rollcall
