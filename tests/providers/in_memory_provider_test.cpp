// The kind in-memory: what is durable when a call answers, what a damaged file does, and what the
// streams are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "core/limits.h"
#include "providers/in_memory/bucket_file.h"
#include "providers/in_memory/in_memory_provider.h"
#include "tests/providers/provider_support.h"
#include "tests/support/mem_file_system.h"

namespace rollcall::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kState[] = "/state";
constexpr char kDirectory[] = "/state/members/mem/";

class InMemoryProvider : public ::testing::Test {
 protected:
  std::unique_ptr<ClusterProvider> create() {
    auto provider = try_create();
    EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
    return provider ? std::move(*provider) : nullptr;
  }
  Result<std::unique_ptr<ClusterProvider>> try_create() {
    return factory_->create(descriptor(), {&clock_, &files_, kState});
  }
  static ProviderDescriptor descriptor() {
    ProviderDescriptor d;
    d.id = ProviderId("mem");
    d.kind = "in-memory";
    d.watch_params["attest_ms"] = "50";
    return d;
  }
  void restart() { factory_ = make_in_memory_factory(); }
  static std::vector<std::string> members(ClusterProvider& provider) {
    return ids_of(provider.initial_snapshot({})->members);
  }

  RealClock clock_;
  MemFileSystem files_;
  std::unique_ptr<ProviderFactory> factory_ = make_in_memory_factory();
};

std::string file_of(const std::string& id) {
  return kDirectory + bucket_file_name(bucket_of(NodeId(id)));
}

TEST_F(InMemoryProvider, R1_5_MembersJoinedAreThereAfterARestart) {
  ClusterNode full = make_node("b", 7001);
  full.zone = "z1";
  full.labels = {{"k", "\"quoted\"\n€"}, {"a", ""}};
  full.weight = 7;
  full.status = NodeStatus::Draining;
  full.incarnation = "17";
  {
    auto provider = create();
    ASSERT_TRUE(provider->registrar()->join(make_node("a")).has_value());
    ASSERT_TRUE(provider->registrar()->join(full).has_value());
    ASSERT_TRUE(provider->registrar()->join(make_node("c")).has_value());
    ASSERT_TRUE(provider->registrar()->leave(NodeId("c")).has_value());
  }
  restart();
  auto answer = create()->initial_snapshot({});
  ASSERT_THAT(ids_of(answer->members), ElementsAre("a", "b"));
  for (const ClusterNode& node : answer->members) {
    EXPECT_EQ(node, node.id.str() == "a" ? make_node("a") : full);
  }
}

TEST_F(InMemoryProvider, AFailedWriteChangesNothing) {
  auto provider = create();
  ASSERT_TRUE(provider->registrar()->join(make_node("a")).has_value());
  for (const FileCall call : {FileCall::WriteSynced, FileCall::Rename}) {
    files_.fail_nth(call, 1);
    const auto joined = provider->registrar()->join(make_node("b"));
    ASSERT_FALSE(joined.has_value());
    EXPECT_EQ(joined.error().code, ErrorCode::StoreIo);
    EXPECT_THAT(members(*provider), ElementsAre("a"));
  }
  restart();
  EXPECT_THAT(members(*create()), ElementsAre("a"));
}

TEST_F(InMemoryProvider, AWriteOfUnknownOutcomeRefusesWritesUntilARewriteSucceeds) {
  auto provider = create();
  ASSERT_TRUE(provider->registrar()->join(make_node("a")).has_value());
  files_.fail_nth(FileCall::SyncDirectory, 1);
  const auto unknown = provider->registrar()->join(make_node("b"));
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, ErrorCode::StoreIo);
  EXPECT_THAT(unknown.error().message, HasSubstr("unknown"));
  EXPECT_THAT(members(*provider), ElementsAre("a"));               // memory: what was acknowledged
  EXPECT_THAT(*files_.content(file_of("b")), HasSubstr("\"b\""));  // the file may have it

  files_.fail_nth(FileCall::WriteSynced, 1);  // the rewrite fails: other members are refused too
  const auto refused = provider->registrar()->leave(NodeId("a"));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::StoreIo);
  EXPECT_THAT(refused.error().message, HasSubstr("read-only until a rewrite succeeds"));

  ASSERT_TRUE(provider->registrar()->join(make_node("c")).has_value());
  restart();
  EXPECT_THAT(members(*create()), ElementsAre("a", "c"));  // "b" was never acknowledged
}

TEST_F(InMemoryProvider, R1_5_WhatALaterLifeAcknowledgesOfAnUnknownWriteSurvivesAPowerCut) {
  constexpr std::uint64_t kSeeds = 20;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MemFileSystem files(seed);
    const auto life = [&](const auto& act) {
      const auto factory = make_in_memory_factory();
      auto provider = factory->create(descriptor(), {&clock_, &files, kState});
      ASSERT_TRUE(provider.has_value()) << provider.error().message;
      act(**provider);
    };
    life([&](ClusterProvider& provider) {
      ASSERT_TRUE(provider.registrar()->join(make_node("a")).has_value());
      files.fail_nth(FileCall::SyncDirectory, 1);
      ASSERT_FALSE(provider.registrar()->join(make_node("b")).has_value());
    });
    files.process_death();
    life([&](ClusterProvider& provider) {  // the caller asks again, and there is nothing to change
      ASSERT_THAT(members(provider), ElementsAre("a", "b"));
      ASSERT_TRUE(provider.registrar()->join(make_node("b")).has_value());
    });
    files.power_cut();
    life([&](ClusterProvider& provider) {
      EXPECT_THAT(members(provider), ElementsAre("a", "b"));
      files.fail_nth(FileCall::SyncDirectory, 1);
      ASSERT_FALSE(provider.registrar()->leave(NodeId("b")).has_value());
    });
    files.process_death();
    life([&](ClusterProvider& provider) {
      const auto left = provider.registrar()->leave(NodeId("b"));
      ASSERT_FALSE(left.has_value());
      EXPECT_EQ(left.error().code, ErrorCode::NotFound);
    });
    files.power_cut();
    life([&](ClusterProvider& provider) { EXPECT_THAT(members(provider), ElementsAre("a")); });
  }
}

TEST_F(InMemoryProvider, R1_5_AFileRenamedByALifeThatDiedBeforeSyncingIsMadeDurableAtTheStart) {
  ASSERT_TRUE(create()->registrar()->join(make_node("a")).has_value());
  const std::string written = *files_.content(file_of("a"));
  constexpr std::uint64_t kSeeds = 20;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MemFileSystem files(seed);
    const auto there = [&] {
      const auto factory = make_in_memory_factory();
      auto provider = factory->create(descriptor(), {&clock_, &files, kState});
      EXPECT_TRUE(provider.has_value());
      return provider ? members(**provider) : std::vector<std::string>();
    };
    ASSERT_THAT(there(), ElementsAre());
    ASSERT_TRUE(files.write_synced(file_of("a") + ".tmp", written).has_value());
    ASSERT_TRUE(files.rename(file_of("a") + ".tmp", file_of("a")).has_value());
    files.process_death();
    ASSERT_THAT(there(), ElementsAre("a"));
    files.power_cut();
    EXPECT_THAT(there(), ElementsAre("a"));
  }
}

TEST_F(InMemoryProvider, DamagedFilesStopItWithFileLineAndReason) {
  {
    auto provider = create();
    ASSERT_TRUE(provider->registrar()->join(make_node("a")).has_value());
  }
  const std::string good = *files_.content(file_of("a"));
  const std::string head = good.substr(0, good.find('\n') + 1);
  const struct {
    const char* name;
    std::string text;
    const char* reason;
  } cases[] = {
      {"empty", "", "first line"},
      {"one bit",
       [&] {
         auto t = good;
         t[t.find("10.0.0.1")] ^= 1;
         return t;
       }(),
       ":1: the checksum"},
      {"cut", good.substr(0, good.size() - 2), "checksum"},
      {"no list", head, "checksum"},
      {"not JSON", "hello\n", ":1: "},
      {"a newer format",
       [&] {
         auto t = good;
         t.replace(t.find("min_reader\":1"), 13, "min_reader\":2");
         return t;
       }(),
       "not damaged; run that version"},
      {"no checksum", "{\"format\":1,\"min_reader\":1,\"members\":[\n]}\n", "checksum"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    restart();
    files_.put(file_of("a"), c.text);
    const auto provider = try_create();
    ASSERT_FALSE(provider.has_value());
    EXPECT_EQ(provider.error().code, ErrorCode::StoreCorrupted);
    EXPECT_THAT(provider.error().message, HasSubstr(file_of("a") + ":"));
    EXPECT_THAT(provider.error().message, HasSubstr(c.reason));
    // Damage comes with the command; what a later version wrote must not be set aside.
    const std::string command = "mv '" + file_of("a") + "' '" + file_of("a") + ".broken'";
    const bool newer = std::string_view(c.name) == "a newer format";
    EXPECT_EQ(provider.error().message.find(command) == std::string::npos, newer)
        << provider.error().message;
    EXPECT_EQ(*files_.content(file_of("a")),
              c.text);  // nothing is repaired behind the operator's back
  }
}

TEST_F(InMemoryProvider, ABucketUnderAnotherNameIsCorrupt) {
  {
    auto provider = create();
    ASSERT_TRUE(provider->registrar()->join(make_node("a")).has_value());
  }
  const std::size_t other = (bucket_of(NodeId("a")) + 1) % kBuckets;
  files_.put(kDirectory + bucket_file_name(other), *files_.content(file_of("a")));
  restart();
  const auto provider = try_create();
  ASSERT_FALSE(provider.has_value());
  EXPECT_EQ(provider.error().code, ErrorCode::StoreCorrupted);
  EXPECT_THAT(provider.error().message, HasSubstr(":2: this member belongs to another bucket"));
}

TEST_F(InMemoryProvider, AnUnfinishedWriteOfACrashIsIgnored) {
  {
    auto provider = create();
    ASSERT_TRUE(provider->registrar()->join(make_node("a")).has_value());
  }
  files_.put(file_of("a") + ".tmp", "half a fi");
  restart();
  EXPECT_THAT(members(*create()), ElementsAre("a"));
}

TEST(BucketFile, UnknownFieldsAreKept) {
  Bucket bucket;
  const std::size_t number = bucket_of(NodeId("a"));
  StoredMember member;
  member.node = std::make_shared<const ClusterNode>(make_node("a"));
  member.unknown.push_back({"colour", {}, JsonValue(std::string("blue"))});
  bucket.members[NodeId("a")] = member;
  bucket.unknown.push_back({"generation", {}, JsonValue(std::int64_t{7})});
  const auto text = encode_bucket(bucket);
  ASSERT_TRUE(text.has_value());
  auto decoded = decode_bucket(*text, "x", number);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  const auto again = encode_bucket(*decoded);
  EXPECT_EQ(*text, *again);
  EXPECT_THAT(*again, HasSubstr("\"colour\":\"blue\""));
  EXPECT_THAT(*again, HasSubstr("\"generation\":7"));
}

TEST_F(InMemoryProvider, ABadMemberIsRefusedWithEveryProblem) {
  auto provider = create();
  ClusterNode node = make_node(std::string(300, 'x'));
  node.host = "a b";
  const auto joined = provider->registrar()->join(node);
  ASSERT_FALSE(joined.has_value());
  EXPECT_EQ(joined.error().code, ErrorCode::InvalidConfig);
  EXPECT_EQ(joined.error().total_problems, 2u);
  const auto left = provider->registrar()->leave(NodeId("nobody"));
  ASSERT_FALSE(left.has_value());
  EXPECT_EQ(left.error().code, ErrorCode::NotFound);
}

TEST_F(InMemoryProvider, TheCostOfAJoinFollowsTheChange) {
  auto provider = create();
  constexpr int kMembers = 2000;
  for (int i = 0; i < kMembers; ++i) {
    ASSERT_TRUE(provider->registrar()->join(make_node("n" + std::to_string(i))).has_value());
  }
  const auto contents = [&] {
    std::map<std::string, std::string> all;
    for (const std::string& path : files_.paths()) all[path] = *files_.content(path);
    return all;
  };
  const auto before = contents();
  ASSERT_TRUE(provider->registrar()->join(make_node("one-more")).has_value());
  std::size_t total = 0;
  std::size_t rewritten = 0;
  for (const auto& [path, text] : contents()) {
    total += text.size();
    if (const auto old = before.find(path); old == before.end() || old->second != text) {
      rewritten += text.size();
    }
  }
  EXPECT_GT(rewritten, 0u);
  EXPECT_LT(rewritten, total / 64);  // one bucket of 256, give or take some members
  // A join that changes nothing writes nothing.
  const std::uint64_t calls = files_.changing_calls();
  ASSERT_TRUE(provider->registrar()->join(make_node("one-more")).has_value());
  EXPECT_EQ(files_.changing_calls(), calls);
}

TEST_F(InMemoryProvider, R1_5_AcknowledgedMembersSurviveAPowerCutAnywhere) {
  constexpr std::uint64_t kSeeds = 200;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MemFileSystem files(seed);
    std::mt19937_64 random(seed);
    std::set<std::string> acknowledged;
    std::set<std::string> in_doubt;  // the write that the power cut hit: both are right
    {
      const auto factory = make_in_memory_factory();
      auto provider = factory->create(descriptor(), {&clock_, &files, kState});
      ASSERT_TRUE(provider.has_value());
      files.cut_power_at(1 + random() % 60);
      while (!files.power_is_off()) {
        const std::string id = "n" + std::to_string(random() % 12);
        const bool leaves = acknowledged.contains(id);
        MemberRegistrar& registrar = *(*provider)->registrar();
        const auto done = leaves ? registrar.leave(NodeId(id)) : registrar.join(make_node(id));
        if (!done) {
          in_doubt.insert(id);
        } else if (leaves) {
          acknowledged.erase(id);
        } else {
          acknowledged.insert(id);
        }
      }
    }
    files.power_cut();
    const auto factory = make_in_memory_factory();
    auto provider = factory->create(descriptor(), {&clock_, &files, kState});
    ASSERT_TRUE(provider.has_value()) << provider.error().message;
    std::set<std::string> there;
    for (const std::string& id : members(**provider)) there.insert(id);
    for (const std::string& id : in_doubt) {
      there.erase(id);
      acknowledged.erase(id);
    }
    EXPECT_EQ(there, acknowledged);
  }
}

TEST_F(InMemoryProvider, R2_1_JoinsAndLeavesReachTheStream) {
  auto provider = create();
  ASSERT_TRUE(provider->registrar()->join(make_node("a")).has_value());
  StreamReader stream(provider->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  ASSERT_TRUE(provider->registrar()->join(make_node("b")).has_value());
  const auto is_change = [](const ProviderEvent& e) {
    return std::holds_alternative<ChangeAnswer>(e);
  };
  EXPECT_EQ(to_text(stream.until(is_change)), "change[+b]");
  ASSERT_TRUE(provider->registrar()->leave(NodeId("a")).has_value());
  EXPECT_EQ(to_text(stream.until(is_change)), "change[-a]");
  EXPECT_EQ(to_text(stream.until(
                [](const ProviderEvent& e) { return std::holds_alternative<UnchangedAnswer>(e); })),
            "unchanged");
}

TEST_F(InMemoryProvider, AnIncarnationDeclaredByLabelIsOne) {
  auto provider = create();
  ClusterNode node = make_node("a");
  node.labels[std::string(kIncarnationKey)] = "life-2";
  ASSERT_TRUE(provider->registrar()->join(node).has_value());
  EXPECT_EQ(provider->initial_snapshot({})->members.at(0).incarnation, "life-2");
}

TEST_F(InMemoryProvider, TheOldAndTheNewProviderOfAnUpdateShareTheirMembers) {
  auto before = create();
  auto after = create();
  ASSERT_TRUE(before->registrar()->join(make_node("a")).has_value());
  ASSERT_TRUE(after->registrar()->join(make_node("b")).has_value());
  EXPECT_THAT(members(*before), ElementsAre("a", "b"));
}

TEST_F(InMemoryProvider, ConcurrentJoinsAreAllDurable) {
  constexpr int kThreads = 8;
  constexpr int kEach = 50;
  {
    auto provider = create();
    StreamReader stream(provider->stream());
    std::vector<std::thread> threads;
    std::atomic<int> refused = 0;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          const std::string id = std::to_string(t) + "-" + std::to_string(i);
          if (!provider->registrar()->join(make_node(id))) ++refused;
          if (i % 5 == 0 && !provider->registrar()->leave(NodeId(id))) ++refused;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(refused, 0);
  }
  restart();
  EXPECT_EQ(members(*create()).size(), static_cast<std::size_t>(kThreads * kEach * 4 / 5));
}

}  // namespace
}  // namespace rollcall::test
