// The fleet's document: what is written is read again, what is not whole is not, and what is
// believed of it.
#include "provisioning/fleet/fleet_document.h"

#include <gmock/gmock.h>

#include <string>

#include "core/codec/canonical.h"
#include "core/limits.h"
#include "provisioning/registry/file_provider_store.h"
#include "provisioning/registry/hex.h"
#include "tests/registry/test_catalog.h"
#include "tests/support/mem_file_system.h"

namespace rollcall {
namespace {

using test::consul;
using test::in_memory;
using ::testing::HasSubstr;

FleetSet fleet_set(std::uint64_t revision, std::vector<ProviderDescriptor> providers,
                   std::uint64_t fleet = 0xf1ee7) {
  FleetSet set;
  set.fleet = fleet;
  set.set = {Revision(revision), std::move(providers)};
  return set;
}

std::string text_of(const FleetSet& set) {
  auto text = encode_fleet_document(set);
  EXPECT_TRUE(text) << (text ? "" : text.error().message);
  return text.value_or("");
}

// The error, or "" if it was read.
std::string error_of(const std::string& text, ErrorCode code = ErrorCode::StoreCorrupted) {
  const auto set = decode_fleet_document(text);
  if (set) return "";
  EXPECT_EQ(set.error().error.code, code) << set.error().error.message;
  EXPECT_NE(set.error().error.message, "");
  return set.error().error.message;
}

// A line with its right checksum.
std::string sealed_line(const std::string& fields) {
  const std::string rest = fields + "}";
  return R"({"checksum":")" + to_hex(xxh64(rest)) + R"(",)" + rest + "\n";
}

// A document of these lines whose digest is right.
std::string sealed(const std::string& header, const std::vector<std::string>& records,
                   const std::string& trailer) {
  std::string text = sealed_line(header);
  for (const std::string& record : records) text += sealed_line(record);
  text += sealed_line(R"("count":)" + std::to_string(records.size()) + R"(,"digest":")" +
                      to_hex(xxh64(text)) + R"(")" + trailer);
  return text;
}

constexpr const char* kHeader = R"("format":"rollcall.providers","min_reader":1)";

TEST(FleetDocumentTest, WhatIsWrittenIsReadAgain) {
  auto set = fleet_set(7, {consul("c1", 3), in_memory("m1")});
  set.set.providers[0].enabled = false;
  set.set.providers[0].disabled_reason = "maintenance";
  const auto read = decode_fleet_document(text_of(set));
  ASSERT_TRUE(read) << read.error().error.message;
  EXPECT_EQ(read->fleet, 0xf1ee7u);
  EXPECT_TRUE(read->same_set(set));
  EXPECT_EQ(text_of(*read), text_of(set));
  EXPECT_TRUE(decode_fleet_document(text_of(fleet_set(1, {}))));
}

TEST(FleetDocumentTest, AFileOfASidecarIsADocumentWithoutAFleet) {
  StoredProviders own{Revision(4), {in_memory("m1")}};
  own.providers[0].origin = Origin::Config;
  const auto read = decode_fleet_document(encode_providers(own, {}).value());
  ASSERT_TRUE(read) << read.error().error.message;
  EXPECT_EQ(read->fleet, 0u);
  EXPECT_EQ(read->set.revision, Revision(4));
  EXPECT_EQ(read->set.providers.at(0).origin, Origin::Api) << "a fleet has no configuration";
}

TEST(FleetDocumentTest, WhatALaterVersionAddedIsKept) {
  const std::string descriptor =
      R"("descriptor":{"id":"m1","kind":"in-memory","colour":"blue"},"seen_by":3)";
  const std::string text = sealed(std::string(kHeader) + R"(,"made_by":"later")", {descriptor},
                                  R"(,"revision":9,"fleet":"00000000000f1ee7","region":"eu")");
  auto read = decode_fleet_document(text);
  ASSERT_TRUE(read) << read.error().error.message;
  read->set.revision = Revision(10);
  const std::string again = text_of(*read);
  for (const char* kept : {R"("made_by":"later")", R"("colour":"blue")", R"("seen_by":3)",
                           R"("region":"eu")", R"("revision":10)"}) {
    EXPECT_THAT(again, HasSubstr(kept));
  }
}

TEST(FleetDocumentTest, AnyByteThatChangedOrWentMissingIsNoticed) {
  const std::string text = text_of(fleet_set(7, {consul("c1"), in_memory("m1")}));
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_NE(error_of(changed), "") << "byte " << i;
    EXPECT_NE(error_of(text.substr(0, i)), "") << "cut at " << i;
  }
  EXPECT_NE(error_of(text + text), "");
  EXPECT_NE(error_of(text + "\n"), "");
}

TEST(FleetDocumentTest, HostileDocumentsAreRefusedWithAReason) {
  for (const char* text : {"", "\n", "{}", "[]", "null", "\xff\xfe", "{\"checksum\":\"\"}"}) {
    EXPECT_NE(error_of(text), "") << text;
  }
  const auto with = [](const std::string& record, const std::string& trailer) {
    return sealed(kHeader, {record}, trailer);
  };
  const std::string good = R"("descriptor":{"id":"m1","kind":"in-memory"})";
  const std::string revision = R"(,"revision":1)";
  EXPECT_EQ(error_of(with(good, revision)), "");
  // Wrong types, sealed as they should be.
  for (const char* bad :
       {R"("descriptor":7)", R"("descriptor":[])", R"("descriptor":{"id":7,"kind":"file"})",
        R"("descriptor":{"kind":"file"})", R"("descriptor":{"id":"m1","kind":"x","priority":"9"})",
        R"("descriptor":{"id":"m1","kind":"x","endpoints":{}})",
        R"("descriptor":{"id":"NOT AN ID","kind":"x"})", R"("other":1)"}) {
    EXPECT_NE(error_of(with(bad, revision)), "") << bad;
  }
  for (const char* bad :
       {"", R"(,"revision":"1")", R"(,"revision":-1)", R"(,"revision":1.5)", R"(,"revision":0)",
        R"(,"revision":1,"fleet":7)", R"(,"revision":1,"fleet":"xyz")"}) {
    EXPECT_NE(error_of(with(good, bad)), "") << bad;
  }
  // The same key twice, in the line and in the descriptor; one provider twice.
  EXPECT_NE(error_of(with(good + "," + good, revision)), "");
  EXPECT_NE(error_of(with(R"("descriptor":{"id":"m1","id":"m2","kind":"x"})", revision)), "");
  EXPECT_NE(error_of(sealed(kHeader, {good, good}, revision)), "");
  // 200 levels.
  EXPECT_NE(
      error_of(with(R"("descriptor":)" + std::string(200, '[') + std::string(200, ']'), revision)),
      "");
  std::vector<std::string> many;
  for (std::size_t i = 0; i <= limits::kMaxProviders; ++i) {
    many.push_back(R"("descriptor":{"id":"m)" + std::to_string(i) + R"(","kind":"in-memory"})");
  }
  EXPECT_THAT(error_of(sealed(kHeader, many, revision)), HasSubstr("64"));
}

TEST(FleetDocumentTest, OneOfALaterVersionIsNotBroken) {
  const auto later = decode_fleet_document(
      sealed(R"("format":"rollcall.providers","min_reader":2)", {}, R"(,"revision":1)"));
  ASSERT_FALSE(later);
  EXPECT_TRUE(later.error().newer);
  const auto other =
      decode_fleet_document(sealed(R"("format":"other","min_reader":1)", {}, R"(,"revision":1)"));
  ASSERT_FALSE(other);
  EXPECT_FALSE(other.error().newer);
}

TEST(FleetDocumentTest, SixtyFourMegabytesAreRefusedUnread) {
  EXPECT_THAT(error_of(std::string(64u << 20, '['), ErrorCode::LimitExceeded),
              HasSubstr(std::to_string(limits::kMaxFleetDocumentBytes)));
}

TEST(FleetDocumentTest, ASetAboveTheLimitIsNotWrittenAndTheLimitIsNamed) {
  std::vector<ProviderDescriptor> many;
  for (int i = 0; i < 40; ++i) {
    ProviderDescriptor d = consul("c" + std::to_string(i));
    for (int n = 0; n < 16; ++n) {
      d.watch_params["p" + std::to_string(n)] = std::string(limits::kMaxParamBytes, 'x');
    }
    many.push_back(std::move(d));
  }
  const auto refused = encode_fleet_document(fleet_set(1, std::move(many)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::LimitExceeded);
  EXPECT_THAT(refused.error().message, HasSubstr(std::to_string(limits::kMaxFleetDocumentBytes)));
}

TEST(FleetDocumentTest, TheLocalCopyIsReadAgainAndABrokenOneNamesTheCommand) {
  test::MemFileSystem files;
  ASSERT_TRUE(files.make_directory("/state"));
  EXPECT_FALSE(read_fleet_copy(files, "/state").value().has_value());
  const FleetCopy copy{fleet_set(3, {in_memory("m1")}), 0xabc, "/rollcall/x/providers"};
  ASSERT_TRUE(write_fleet_copy(files, "/state", copy));
  const auto read = read_fleet_copy(files, "/state").value();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->history, 0xabcu);
  EXPECT_EQ(read->key, copy.key);
  EXPECT_EQ(read->set.fleet, copy.set.fleet);
  EXPECT_TRUE(read->set.same_set(copy.set));

  files.put("/state/fleet.jsonl", files.content("/state/fleet.jsonl")->substr(0, 99));
  const auto broken = read_fleet_copy(files, "/state");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::StoreCorrupted);
  EXPECT_THAT(broken.error().message, HasSubstr("mv '/state/fleet.jsonl'"));
  files.put("/state/fleet.jsonl", encode_fleet_document(copy.set).value());
  EXPECT_FALSE(read_fleet_copy(files, "/state")) << "it does not say of what it is a copy";
}

// --- what is believed ---

TEST(FleetVerdictTest, OnlyWhatGoesOnFromTheFollowedSetIsTakenOver) {
  const FleetCopy followed{fleet_set(5, {in_memory("a")}), 7, "/k"};
  const auto seen = [&](std::uint64_t history, const FleetSet& set) {
    return judge(&followed, {history, 100, 1, 0}, &set);
  };
  EXPECT_EQ(seen(7, fleet_set(5, {in_memory("a")})), FleetVerdict::Same);
  EXPECT_EQ(seen(7, fleet_set(6, {in_memory("b")})), FleetVerdict::Newer);
  EXPECT_EQ(seen(7, fleet_set(9, {in_memory("a")})), FleetVerdict::Newer);
  EXPECT_EQ(seen(7, fleet_set(4, {in_memory("a")})), FleetVerdict::Older);
  EXPECT_EQ(seen(7, fleet_set(5, {in_memory("b")})), FleetVerdict::Diverged);
  // Another store with this fleet's set: it moved, or was restored.
  EXPECT_EQ(seen(8, fleet_set(5, {in_memory("a")})), FleetVerdict::Same);
  EXPECT_EQ(seen(8, fleet_set(6, {in_memory("b")})), FleetVerdict::Newer);
  EXPECT_EQ(seen(8, fleet_set(4, {in_memory("a")})), FleetVerdict::Older);
  // The same store with a set that somebody began anew.
  EXPECT_EQ(seen(7, fleet_set(6, {in_memory("b")}, 2)), FleetVerdict::Newer);
  EXPECT_EQ(seen(7, fleet_set(1, {in_memory("b")}, 2)), FleetVerdict::Older);
  // Another fleet's in another store, whatever its revision.
  EXPECT_EQ(seen(8, fleet_set(6, {in_memory("b")}, 2)), FleetVerdict::Foreign);
  EXPECT_EQ(seen(8, fleet_set(6, {in_memory("b")}, 0)), FleetVerdict::Foreign);

  EXPECT_EQ(judge(&followed, {7, 0, 0, 0}, nullptr), FleetVerdict::Gone);
  EXPECT_EQ(judge(nullptr, {7, 0, 0, 0}, nullptr), FleetVerdict::Absent);
  const FleetSet any = fleet_set(3, {});
  EXPECT_EQ(judge(nullptr, {7, 9, 1, 0}, &any), FleetVerdict::First);
}

TEST(FleetVerdictTest, NothingIsWrittenOverButWhatIsFollowedOrMeant) {
  using V = FleetVerdict;
  for (const V v : {V::Absent, V::First, V::Same, V::Newer, V::Gone, V::Older, V::Diverged,
                    V::Foreign, V::Broken, V::TooNew}) {
    const FleetRule rule = rule_of(v);
    EXPECT_EQ(rule.write, v == V::Absent || v == V::Same) << to_string(v);
    EXPECT_EQ(rule.take_over, v == V::First || v == V::Newer) << to_string(v);
    EXPECT_FALSE(rule.take_over && rule.write_on_purpose) << to_string(v);
    EXPECT_TRUE(!rule.write || rule.write_on_purpose) << to_string(v);
  }
  EXPECT_FALSE(rule_of(V::Foreign).write_on_purpose);
  EXPECT_FALSE(rule_of(V::TooNew).write_on_purpose);
}

}  // namespace
}  // namespace rollcall
