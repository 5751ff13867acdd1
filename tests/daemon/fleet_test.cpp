// A fleet's registry: three sidecars whose providers are in one etcd. What one accepts reaches
// all; what befalls etcd changes nothing that runs.

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "core/codec/descriptor_codec.h"
#include "tests/backends/assert_done.h"
#include "tests/daemon/fleet_fixture.h"
#include "tests/providers/test_certificates.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;

using Fleet = FleetFixture;

TEST_F(Fleet, OneApplyReachesEverySidecarWithTheSameRevisionAndTopology) {
  start_fleet();
  write_list("a", {member("n1"), member("n2")});
  expect_all("revision 0:");
  const auto applied = sidecar(0).admin().apply_providers({list("a"), list("b", -1)}, true);
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_EQ(applied->revision(), 1u);
  expect_all("revision 1: a b");
  for (std::size_t i = 0; i < kSidecars; ++i) {
    EXPECT_TRUE(serves(sidecar(i), "n1 n2")) << members(sidecar(i));
    EXPECT_EQ(store(sidecar(i)).state(), "following");
  }
  const auto hash = [&](std::size_t i) {
    return sidecar(i).admin().get_status().value().snapshot_hash();
  };
  EXPECT_EQ(hash(0), hash(1));
  EXPECT_EQ(hash(0), hash(2));
}

TEST_F(Fleet, TheStoreIsReachedByTlsWithACertificateOfItsOwn) {
  const TestAuthority authority;
  const auto file = [&](const std::string& name, const std::string& text) {
    write_file(directory_ / name, text);
    return (directory_ / name).string();
  };
  const Certificate servers = authority.issue("etcd.test");
  EtcdServer::Options options;
  options.tls = {file("ca", authority.ca_pem()), file("server-cert", servers.cert_pem),
                 file("server-key", servers.key_pem)};
  start_etcd(std::move(options));
  const Certificate mine = authority.issue("rollcall.test");
  credentials_ = ", auth: {ca_file: " + file("ca", authority.ca_pem()) +
                 ", cert_file: " + file("cert", mine.cert_pem) +
                 ", key_file: " + file("key", mine.key_pem) + "}";
  for (int i = 0; i < 2; ++i) ASSERT_DONE(add_sidecar().start());
  ASSERT_DONE(sidecar(0).admin().apply_providers({list("a")}, true));
  expect_all("revision 1: a");
  credentials_ = ", auth: {ca_file: " + (directory_ / "ca").string() + "}";
  DaemonProcess& nameless = add_sidecar();
  ASSERT_DONE(nameless.start());
  EXPECT_TRUE(eventually(kHungProgram, [&] {
    return store(nameless).error_code() == "AUTH_FAILED";
  })) << store(nameless).ShortDebugString();
  EXPECT_EQ(store(nameless).state(), "waiting");
}

TEST_F(Fleet, R5_4_ASwitchOfTheSetIsOneStepAndLeavesTheUnchangedOnesAlone) {
  start_fleet(2);
  write_list("a", {member("n1")});
  write_list("b", {member("n1")});
  ASSERT_DONE(sidecar(0).admin().apply_providers({list("a", 10), list("b", 5)}, true));
  ASSERT_TRUE(comes_to(sidecar(1), "revision 1: a b"));
  ASSERT_TRUE(serves(sidecar(1), "n1"));
  const auto seq = [&] { return sidecar(1).admin().get_status().value().seq_no(); };
  const std::uint64_t before = seq();
  // b goes, c comes, a stays the active one: nobody joins or leaves, and nothing is interrupted.
  ASSERT_DONE(sidecar(0).admin().apply_providers({list("a", 10), list("c", 1)}, true));
  ASSERT_TRUE(comes_to(sidecar(1), "revision 2: a c"));
  EXPECT_EQ(seq(), before);
  EXPECT_THAT(sidecar(1).get("/metrics").body,
              ::testing::Not(HasSubstr("rollcall_stream_interruptions_total{provider=\"a\"")));
}

TEST_F(Fleet, EnableAndDisableAreTheFleetsAndSwitchesAndMembersAreOnesOwn) {
  start_fleet(2);
  ASSERT_TRUE(sidecar(0).admin().apply_providers(
      {in_memory_provider("m", 10), in_memory_provider("spare", 0)}, true));
  ASSERT_TRUE(comes_to(sidecar(1), "revision 1: m spare"));
  ASSERT_DONE(sidecar(0).admin().join_member(member("n1"), ProviderId("m")));
  ASSERT_TRUE(serves(sidecar(0), "n1"));
  EXPECT_EQ(members(sidecar(1)), "");
  ASSERT_DONE(sidecar(1).admin().disable_provider(ProviderId("spare"), "maintenance"));
  ASSERT_TRUE(comes_to(sidecar(0), "revision 2: m spare"));
  const auto spare = sidecar(0).admin().get_provider(ProviderId("spare"));
  ASSERT_TRUE(spare);
  EXPECT_FALSE(spare->provider().enabled());
  EXPECT_EQ(spare->provider().disabled_reason(), "maintenance");
  ASSERT_DONE(sidecar(0).admin().enable_provider(ProviderId("spare")));
  ASSERT_TRUE(comes_to(sidecar(1), "revision 3: m spare"));
  ASSERT_TRUE(eventually(kHungProgram, [&] {
    return sidecar(1).admin().switch_provider(ProviderId("spare")).has_value();
  }));
  EXPECT_EQ(sidecar(0).admin().get_status().value().pinned_provider(), "");
}

TEST_F(Fleet, OfTwoThatExpectTheSameRevisionAtTwoSidecarsOneWins) {
  start_fleet();
  ASSERT_DONE(sidecar(0).admin().apply_providers({list("a")}, true));
  for (std::uint64_t round = 1; round <= 5; ++round) {
    std::atomic<int> accepted{0};
    std::atomic<int> conflicts{0};
    std::vector<std::thread> writers;
    for (std::size_t i = 0; i < kSidecars; ++i) {
      writers.emplace_back([&, i] {
        const std::string id = "p" + std::to_string(round) + "-" + std::to_string(i);
        const auto applied =
            sidecar(i).admin().apply_providers({list(id)}, true, at_revision(round));
        if (applied) ++accepted;
        if (!applied && applied.error().code == ErrorCode::RevisionConflict) ++conflicts;
      });
    }
    for (std::thread& writer : writers) writer.join();
    EXPECT_EQ(accepted, 1);
    EXPECT_EQ(conflicts, static_cast<int>(kSidecars) - 1);
  }
  const FleetSet there = stored();
  EXPECT_EQ(there.set.revision, Revision(6));
  ASSERT_EQ(there.set.providers.size(), 1u);
  expect_all("revision 6: " + there.set.providers[0].id.str());
}

TEST_F(Fleet, WritesWithoutARevisionAtSeveralSidecarsAllCount) {
  start_fleet();
  std::vector<std::thread> writers;
  for (std::size_t i = 0; i < kSidecars; ++i) {
    writers.emplace_back([&, i] {
      for (int n = 0; n < 4; ++n) {
        const std::string id = "p" + std::to_string(i) + "-" + std::to_string(n);
        auto added = sidecar(i).admin().register_provider(list(id));
        while (!added && added.error().code == ErrorCode::RevisionConflict) {
          added = sidecar(i).admin().register_provider(list(id));
        }
        EXPECT_TRUE(added) << added.error().message;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  const FleetSet there = stored();
  EXPECT_EQ(there.set.revision, Revision(4 * kSidecars));
  EXPECT_EQ(there.set.providers.size(), 4 * kSidecars);
  std::string all = "revision " + std::to_string(4 * kSidecars) + ":";
  for (const ProviderDescriptor& d : there.set.providers) all += " " + d.id.str();
  expect_all(all);
}

TEST_F(Fleet, ARevisionThatOneSidecarAnsweredIsGoodAtAnotherAtOnce) {
  start_fleet(2);
  std::uint64_t revision = 0;
  for (int i = 0; i < 10; ++i) {
    const auto applied = sidecar(i % 2 == 0 ? 0u : 1u)
                             .admin()
                             .apply_providers({list("a", i)}, true, at_revision(revision));
    ASSERT_TRUE(applied) << applied.error().message;
    revision = applied->revision();
  }
  EXPECT_EQ(revision, 10u);
}

TEST_F(Fleet, WhileEtcdIsAwayEverythingGoesOnAndWritesAreRefused) {
  start_fleet();
  write_list("a", {member("n1")});
  ASSERT_DONE(sidecar(0).admin().apply_providers({list("a")}, true));
  expect_all("revision 1: a");
  for (std::size_t i = 0; i < kSidecars; ++i) ASSERT_TRUE(serves(sidecar(i), "n1"));
  etcd_->kill();
  for (std::size_t i = 0; i < kSidecars; ++i) {
    EXPECT_TRUE(store_is(sidecar(i), "lost"));
    EXPECT_EQ(store(sidecar(i)).error_code(), "BACKEND_UNAVAILABLE");
  }
  const auto refused = sidecar(1).admin().apply_providers({list("a"), list("b")}, true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::BackendUnavailable) << refused.error().message;
  EXPECT_FALSE(sidecar(1).admin().apply_providers({list("a")}, true)) << "not even the same set";
  client::WriteOptions dry;
  dry.validate_only = true;
  const auto plan = sidecar(1).admin().apply_providers({list("a"), list("b")}, true, dry);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->code(), "BACKEND_UNAVAILABLE");
  // The topology goes on, also with what changes in it.
  write_list("a", {member("n1"), member("n2")});
  for (std::size_t i = 0; i < kSidecars; ++i) {
    EXPECT_TRUE(serves(sidecar(i), "n1 n2"));
    EXPECT_EQ(sidecar(i).get("/readyz").status, 200);
  }
  EXPECT_THAT(sidecar(0).get("/metrics").body, HasSubstr("rollcall_shared_store_reached 0"));

  ASSERT_DONE(etcd_->restart(EtcdServer::Restart::kKeepState));
  for (std::size_t i = 0; i < kSidecars; ++i) EXPECT_TRUE(store_is(sidecar(i), "following"));
  const auto applied = sidecar(1).admin().apply_providers({list("a"), list("b")}, true);
  ASSERT_TRUE(applied) << applied.error().message;
  expect_all("revision 2: a b");
  EXPECT_THAT(sidecar(0).get("/metrics").body, HasSubstr("rollcall_shared_store_following 1"));
}

TEST_F(Fleet, ASilentEtcdIsATimeoutAndNothingHangs) {
  start_fleet(1);
  ASSERT_DONE(sidecar(0).admin().apply_providers({list("a")}, true));
  ASSERT_TRUE(etcd_->pause());
  const auto refused = sidecar(0).admin().apply_providers({list("b")}, true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Timeout) << refused.error().message;
  EXPECT_TRUE(store_is(sidecar(0), "lost"));
  const auto ended = sidecar(0).stop();  // within its deadline, whatever etcd does
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->code, 0);
  ASSERT_TRUE(etcd_->resume());
}

TEST_F(Fleet, R1_5_ASidecarThatStartsWhileEtcdIsAwayGoesOnWithItsCopyAndCatchesUp) {
  start_fleet();
  write_list("a", {member("n1")});
  ASSERT_DONE(sidecar(0).admin().apply_providers({list("a")}, true));
  expect_all("revision 1: a");
  ASSERT_TRUE(sidecar(2).stop());
  ASSERT_DONE(sidecar(1).admin().apply_providers({list("a"), list("b", -5)}, true));
  etcd_->kill();
  ASSERT_DONE(sidecar(2).start());
  EXPECT_EQ(set_of(sidecar(2)), "revision 1: a");
  EXPECT_TRUE(serves(sidecar(2), "n1"));
  EXPECT_TRUE(store_is(sidecar(2), "waiting"));
  EXPECT_TRUE(sidecar(2).told("store_lost"));
  const auto refused = sidecar(2).admin().apply_providers({list("c")}, true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::BackendUnavailable);
  ASSERT_DONE(etcd_->restart(EtcdServer::Restart::kKeepState));
  EXPECT_TRUE(comes_to(sidecar(2), "revision 2: a b")) << set_of(sidecar(2));
}

TEST_F(Fleet, ASidecarWithNeitherCopyNorEtcdServesNothingUntilItKnowsTheFleets) {
  start_etcd();
  write_list("a", {member("n1")});
  etcd_->kill();
  DaemonProcess& lonely = add_sidecar();
  ASSERT_DONE(lonely.start());
  EXPECT_EQ(set_of(lonely), "revision 0:") << "not the embedded default, which is not the fleet's";
  EXPECT_EQ(lonely.get("/livez").status, 200);
  EXPECT_EQ(lonely.get("/readyz").status, 503);
  EXPECT_EQ(store(lonely).state(), "waiting");
  ASSERT_DONE(etcd_->restart(EtcdServer::Restart::kKeepState));
  DaemonProcess& other = add_sidecar();
  ASSERT_DONE(other.start());
  ASSERT_DONE(other.admin().apply_providers({list("a")}, true));
  EXPECT_TRUE(comes_to(lonely, "revision 1: a"));
  EXPECT_TRUE(serves(lonely, "n1"));
  EXPECT_TRUE(eventually(kHungProgram, [&] { return lonely.get("/readyz").status == 200; }));
}

TEST_F(Fleet, AnEmptiedEtcdChangesNothingUntilSomebodyMeansIt) {
  start_fleet();
  write_list("a", {member("n1")});
  ASSERT_DONE(sidecar(0).admin().apply_providers({list("a")}, true));
  ASSERT_DONE(sidecar(0).admin().apply_providers({list("a"), list("b", -1)}, true));
  expect_all("revision 2: a b");
  ASSERT_DONE(etcd_->restart(EtcdServer::Restart::kEmptyState, "another-cluster"));
  for (std::size_t i = 0; i < kSidecars; ++i) {
    EXPECT_TRUE(store_is(sidecar(i), "refused"));
    EXPECT_EQ(store(sidecar(i)).error_code(), "INDEX_ROLLBACK");
    EXPECT_EQ(set_of(sidecar(i)), "revision 2: a b");
    EXPECT_TRUE(serves(sidecar(i), "n1"));
    const auto status = sidecar(i).admin().get_status();
    ASSERT_TRUE(status && status->notes_size() > 0);
    EXPECT_THAT(status->notes(0), HasSubstr("--revision 2"));
  }
  const auto refused = sidecar(1).admin().apply_providers({list("c")}, true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::IndexRollback) << refused.error().message;
  // A restart does not forget either.
  ASSERT_TRUE(sidecar(2).stop());
  ASSERT_DONE(sidecar(2).start());
  EXPECT_EQ(set_of(sidecar(2)), "revision 2: a b");
  EXPECT_TRUE(store_is(sidecar(2), "refused"));

  const auto meant =
      sidecar(1).admin().apply_providers({list("a"), list("b", -1)}, true, at_revision(2));
  ASSERT_TRUE(meant) << meant.error().message;
  EXPECT_EQ(meant->revision(), 3u);
  expect_all("revision 3: a b");
  for (std::size_t i = 0; i < kSidecars; ++i) EXPECT_TRUE(store_is(sidecar(i), "following"));
}

TEST_F(Fleet, TheOperatorsCommandSaysWhatIsAndDoesWhatItSays) {
  start_fleet(2);
  write_list("a", {member("n1")});
  const auto rollcall = [&](std::size_t i, std::vector<std::string> arguments, int status) {
    arguments.insert(arguments.begin(),
                     {(bin_dir() / "rollcall").string(), "--server", sidecar(i).address()});
    const auto finished = run(arguments, kHungProgram);
    EXPECT_TRUE(finished.has_value()) << finished.error();
    EXPECT_EQ(finished ? finished->exit.code : -1, status) << finished->output;
    return finished ? finished->output : std::string();
  };
  const std::string file = (directory_ / "set.json").string();
  write_file(file, "[" + descriptor_to_json(list("a"), DescriptorForm::Operator).value() + "]");
  rollcall(0, {"providers", "apply", file}, 0);
  ASSERT_TRUE(serves(sidecar(1), "n1"));
  EXPECT_THAT(rollcall(1, {"status", "--check"}, 0),
              HasSubstr("Store      etcd key /rollcall/default/providers, following"));
  EXPECT_THAT(rollcall(1, {"store", "verify", sidecar(1).state_dir()}, 0),
              HasSubstr("fleet.jsonl"));
  ASSERT_DONE(etcd_->restart(EtcdServer::Restart::kEmptyState));
  for (std::size_t i = 0; i < 2; ++i) ASSERT_TRUE(store_is(sidecar(i), "refused"));
  EXPECT_THAT(rollcall(1, {"status", "--check"}, 4),
              HasSubstr("rollcall providers apply FILE --prune --revision 1"));
  EXPECT_THAT(rollcall(1, {"providers", "apply", file, "--prune"}, 1), HasSubstr("INDEX_ROLLBACK"));
  rollcall(1, {"providers", "apply", file, "--prune", "--revision", "1"}, 0);
  expect_all("revision 2: a");
  ASSERT_TRUE(store_is(sidecar(0), "following"));
  rollcall(0, {"status", "--check"}, 0);
}

TEST_F(Fleet, ARestoredBackupChangesNothingUntilSomebodyMeansIt) {
  start_fleet(2);
  ASSERT_DONE(sidecar(0).admin().apply_providers({list("a")}, true));
  ASSERT_DONE(etcd_->save_state());
  ASSERT_DONE(sidecar(0).admin().apply_providers({list("b")}, true));
  expect_all("revision 2: b");
  ASSERT_DONE(etcd_->restart(EtcdServer::Restart::kSavedState));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(store_is(sidecar(i), "refused"));
    EXPECT_EQ(store(sidecar(i)).shared_revision(), 1u);
    EXPECT_EQ(set_of(sidecar(i)), "revision 2: b");
  }
  const auto meant = sidecar(0).admin().apply_providers({list("c")}, true, at_revision(2));
  ASSERT_TRUE(meant) << meant.error().message;
  expect_all("revision 3: c");
}

TEST_F(Fleet, ADeletedKeyAndGarbageInItChangeNothing) {
  start_fleet(2);
  ASSERT_DONE(sidecar(0).admin().apply_providers({list("a")}, true));
  expect_all("revision 1: a");
  ASSERT_DONE(etcd_->remove(kKey));
  for (std::size_t i = 0; i < 2; ++i) EXPECT_TRUE(store_is(sidecar(i), "refused"));
  ASSERT_DONE(etcd_->put(kKey, "[]"));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(eventually(kHungProgram, [&] {
      return store(sidecar(i)).error_code() == "STORE_CORRUPTED";
    })) << store(sidecar(i)).error();
  }
  expect_all("revision 1: a");
  ASSERT_DONE(sidecar(1).admin().apply_providers({list("b")}, true, at_revision(1)));
  expect_all("revision 2: b");
}

TEST_F(Fleet, R1_1_ASetThatABuildDoesNotKnowIsNotTakenOverInPart) {
  start_fleet(2);
  ASSERT_DONE(sidecar(0).admin().apply_providers({list("a")}, true));
  expect_all("revision 1: a");
  FleetSet later = stored();
  later.set.revision = Revision(2);
  later.set.providers.push_back(list("b"));
  later.set.providers.push_back(in_memory_provider("c", 0));
  later.set.providers.back().kind = "carrier-pigeon";
  ASSERT_DONE(etcd_->put(kKey, encode_fleet_document(later).value()));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(store_is(sidecar(i), "refused"));
    EXPECT_EQ(store(sidecar(i)).error_code(), "INVALID_CONFIG");
    EXPECT_THAT(store(sidecar(i)).error(), HasSubstr("carrier-pigeon"));
    EXPECT_EQ(store(sidecar(i)).shared_revision(), 2u);
    EXPECT_EQ(set_of(sidecar(i)), "revision 1: a");
  }
  const auto refused = sidecar(0).admin().apply_providers({list("a")}, true, at_revision(1));
  EXPECT_FALSE(refused) << "it would take back what a later build stored";
  later.set.revision = Revision(3);
  later.set.providers.pop_back();
  ASSERT_DONE(etcd_->put(kKey, encode_fleet_document(later).value()));
  expect_all("revision 3: a b");
}

TEST_F(Fleet, R1_4_OnlyTheSidecarThatAcceptsAWriteAsksTheBackends) {
  start_fleet(2);
  const auto nowhere = "http://127.0.0.1:" + std::to_string(free_ports(1).at(0));
  const auto dead = consul_provider("c", 1, nowhere, "db");
  const auto refused = sidecar(0).admin().apply_providers({dead}, true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::BackendUnavailable);
  EXPECT_EQ(set_of(sidecar(0)), "revision 0:");
  client::WriteOptions anyway;
  anyway.allow_unreachable = true;
  ASSERT_DONE(sidecar(0).admin().apply_providers({dead}, true, anyway));
  // The other one takes it as well, and health says the rest.
  ASSERT_TRUE(comes_to(sidecar(1), "revision 1: c"));
  EXPECT_TRUE(eventually(kHungProgram, [&] {
    const auto state = sidecar(1).admin().get_provider(ProviderId("c"));
    return state && state->consecutive_errors() > 0;
  }));
}

TEST_F(Fleet, R1_5_WhatWasAcknowledgedIsThereWhateverIsKilled) {
  start_fleet();
  std::uint64_t acknowledged = 0;
  for (int round = 0; round < 6; ++round) {
    std::atomic<bool> writing{true};
    std::atomic<std::uint64_t> newest{acknowledged};
    std::atomic<int> answers{0};
    std::thread writer([&] {
      for (int i = 0; writing; ++i) {
        const auto applied = sidecar(0).admin().apply_providers({list("a", i)}, true);
        if (!applied) break;
        newest = applied->revision();
        ++answers;
      }
    });
    EXPECT_TRUE(eventually(kHungProgram, [&] { return answers > round; }));
    sidecar(0).kill();
    writing = false;
    writer.join();
    acknowledged = newest;
    ASSERT_DONE(sidecar(0).start());
    EXPECT_GE(stored().set.revision.value(), acknowledged);
    const std::uint64_t there = stored().set.revision.value();
    EXPECT_LE(there, acknowledged + 1) << "one may have been on its way";
    expect_all("revision " + std::to_string(there) + ": a");
    acknowledged = there;
  }
}

TEST_F(Fleet, WhatASidecarHadByItselfRunsUntilTheFleetHasASet) {
  start_etcd();
  write_list("mine", {member("n1")});
  write_list("ours", {member("n1"), member("n2")});
  DaemonProcess& old = add_sidecar();
  old.set_config("log: {level: info}\n");
  ASSERT_DONE(old.start());
  ASSERT_DONE(old.admin().register_provider(list("mine")));
  ASSERT_TRUE(serves(old, "n1"));
  ASSERT_TRUE(old.stop());
  old.set_config(config());
  ASSERT_DONE(old.start());
  EXPECT_EQ(set_of(old), "revision 0: mine");
  EXPECT_TRUE(serves(old, "n1"));
  DaemonProcess& fresh = add_sidecar();
  ASSERT_DONE(fresh.start());
  EXPECT_EQ(set_of(fresh), "revision 0:");
  // Any write there makes it the fleet's.
  ASSERT_DONE(old.admin().register_provider(list("ours", 5)));
  expect_all("revision 1: mine ours");
  // And back: what the file held is still there.
  ASSERT_TRUE(old.stop());
  old.set_config("log: {level: info}\n");
  ASSERT_DONE(old.start());
  EXPECT_EQ(set_of(old), "revision 1: mine");
}

}  // namespace
}  // namespace rollcall::test
