#include "provisioning/registry/file_provider_store.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/codec/canonical.h"
#include "provisioning/registry/hex.h"
#include "tests/registry/test_catalog.h"
#include "tests/support/mem_file_system.h"

namespace rollcall {
namespace {

using test::consul;
using test::FileCall;
using test::in_memory;
using test::MemFileSystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kDir = "/state";
constexpr const char* kPath = "/state/providers.jsonl";
constexpr const char* kPrevious = "/state/providers.jsonl.prev";

class FileProviderStoreTest : public ::testing::Test {
 protected:
  FileProviderStoreTest() { EXPECT_TRUE(files_.make_directory(kDir)); }

  // A store of one process, loaded.
  FileProviderStore opened() {
    FileProviderStore store(files_, kDir);
    const auto loaded = store.load();
    EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message);
    return store;
  }
  Revision saved(FileProviderStore& store, const std::vector<ProviderDescriptor>& set,
                 Revision expected) {
    const auto revision = store.save(set, expected);
    EXPECT_TRUE(revision) << (revision ? "" : revision.error().error.message);
    return revision.value_or(Revision());
  }
  Result<StoredProviders> reloaded() { return FileProviderStore(files_, kDir).load(); }

  MemFileSystem files_;
};

std::vector<ProviderDescriptor> three() {
  auto c = consul("c1", -7);
  c.auth.token_file = "/run/secrets/consul";
  c.standby = Standby::Cold;
  auto off = in_memory("off", 3);
  off.enabled = false;
  off.disabled_reason = "maintenance of the \"west\" rack";
  auto mine = in_memory("mine");
  mine.origin = Origin::Config;
  return {c, off, mine};
}

TEST_F(FileProviderStoreTest, NothingStoredIsTheEmptySetOfRevisionZero) {
  const auto loaded = reloaded();
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->revision, Revision(0));
  EXPECT_THAT(loaded->providers, IsEmpty());
  EXPECT_THAT(files_.paths(), IsEmpty()) << "loading nothing writes nothing";
}

TEST_F(FileProviderStoreTest, R1_5_EveryFieldAndTheOrderSurvive) {
  auto store = opened();
  EXPECT_EQ(saved(store, three(), Revision(0)), Revision(1));
  const auto loaded = reloaded();
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->revision, Revision(1));
  EXPECT_EQ(loaded->providers, three());
}

TEST_F(FileProviderStoreTest, TheFileHasTheFormThatIsPromised) {
  auto store = opened();
  saved(store, {in_memory("a"), in_memory("b")}, Revision(0));
  const std::string text = *files_.content(kPath);
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    ASSERT_NE(end, std::string::npos);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  ASSERT_EQ(lines.size(), 4u);
  for (const std::string& line : lines) {
    EXPECT_EQ(line.substr(0, 13), R"({"checksum":")");
    EXPECT_EQ(line.substr(13, 16), to_hex(xxh64(line.substr(31)))) << line;
  }
  EXPECT_THAT(lines[0], HasSubstr(R"("format":"rollcall.providers","min_reader":1)"));
  EXPECT_THAT(lines[1], HasSubstr(R"("id":"a")"));
  EXPECT_THAT(lines[2], HasSubstr(R"("id":"b")"));
  const std::string digest = to_hex(xxh64(text.substr(0, text.size() - lines[3].size() - 1)));
  EXPECT_THAT(lines[3], HasSubstr(R"("count":2,"digest":")" + digest + R"(","revision":1)"));
}

TEST_F(FileProviderStoreTest, AnotherRevisionThanTheStoredOneIsAConflictAndWritesNothing) {
  auto store = opened();
  saved(store, {in_memory("a")}, Revision(0));
  const auto before = files_.content(kPath);
  const auto refused = store.save({}, Revision(0));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error.code, ErrorCode::RevisionConflict);
  EXPECT_FALSE(refused.error().unknown);
  EXPECT_EQ(files_.content(kPath), before);
}

TEST_F(FileProviderStoreTest, ThePreviousGenerationIsKept) {
  auto store = opened();
  saved(store, {in_memory("a")}, Revision(0));
  EXPECT_FALSE(files_.content(kPrevious));
  const auto first = files_.content(kPath);
  saved(store, {in_memory("b")}, Revision(1));
  EXPECT_EQ(files_.content(kPrevious), first);
}

TEST_F(FileProviderStoreTest, ALostFileIsNotTakenForAnEmptySet) {
  auto store = opened();
  saved(store, {in_memory("a")}, Revision(0));
  saved(store, {in_memory("a"), in_memory("b")}, Revision(1));
  ASSERT_TRUE(files_.remove(kPath));
  const auto loaded = reloaded();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::StoreCorrupted);
  EXPECT_THAT(loaded.error().message,
              AllOf(HasSubstr(kPath), HasSubstr("is missing"),
                    HasSubstr("cp '/state/providers.jsonl.prev' '/state/providers.jsonl'"),
                    HasSubstr("# the generation before: revision 1, 1 provider(s)")));
}

TEST_F(FileProviderStoreTest, TheCommandThatIsNamedRecovers) {
  auto store = opened();
  saved(store, {in_memory("a")}, Revision(0));
  saved(store, {in_memory("b")}, Revision(1));
  files_.put(kPath, "garbage\n");
  ASSERT_FALSE(reloaded());
  files_.put(kPath, *files_.content(kPrevious));  // cp .prev, as the message says
  const auto loaded = reloaded();
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->revision, Revision(1));
  EXPECT_EQ(loaded->providers[0].id, ProviderId("a"));
}

TEST_F(FileProviderStoreTest, WithoutASoundEarlierGenerationItSaysSo) {
  files_.put(kPath, "garbage\n");
  auto loaded = reloaded();
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message,
              AllOf(HasSubstr("providers.jsonl:1"), HasSubstr("mv '/state/providers.jsonl'"),
                    HasSubstr("no sound earlier generation"), Not(HasSubstr("cp "))));
  files_.put(kPrevious, "garbage too\n");
  loaded = reloaded();
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, HasSubstr("mv '/state/providers.jsonl.prev'"));
}

TEST_F(FileProviderStoreTest, ACorruptLineIsNamed) {
  auto store = opened();
  saved(store, {in_memory("a"), in_memory("b"), in_memory("c")}, Revision(0));
  std::string text = *files_.content(kPath);
  text[text.find(R"("id":"b")") + 6] = 'x';
  files_.put(kPath, text);
  const auto loaded = reloaded();
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, AllOf(StartsWith("/state/providers.jsonl:3: "),
                                            HasSubstr("checksum does not match")));
}

TEST_F(FileProviderStoreTest, AFileForALaterReaderIsNotCalledDamaged) {
  const std::string rest = R"("format":"rollcall.providers","min_reader":2})";
  files_.put(kPath, R"({"checksum":")" + to_hex(xxh64(rest)) + R"(",)" + rest + "\nanything\n");
  const auto loaded = reloaded();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::StoreCorrupted);
  EXPECT_THAT(loaded.error().message, AllOf(HasSubstr("needs a reader of version 2"),
                                            HasSubstr("not damaged"), Not(HasSubstr("mv "))));
}

// --- hostile files ---

class HostileProvidersFile : public FileProviderStoreTest {
 protected:
  void SetUp() override {
    auto store = opened();
    saved(store, three(), Revision(0));
    text_ = *files_.content(kPath);
  }
  // Loads `text`: it is refused, or it is what was stored.
  void expect_same_or_refused(const std::string& text, const std::string& what) {
    MemFileSystem files;
    ASSERT_TRUE(files.make_directory(kDir));
    files.put(kPath, text);
    const auto loaded = FileProviderStore(files, kDir).load();
    if (!loaded) {
      EXPECT_EQ(loaded.error().code, ErrorCode::StoreCorrupted) << what;
      EXPECT_EQ(files.content(kPath), text) << what << ": nothing is repaired";
      return;
    }
    ++accepted_;
    EXPECT_EQ(loaded->providers, three()) << what;
    EXPECT_EQ(loaded->revision, Revision(1)) << what;
  }
  std::string text_;
  int accepted_ = 0;
};

TEST_F(HostileProvidersFile, R1_5_NoChangedByteGoesUnnoticed) {
  for (std::size_t i = 0; i < text_.size(); ++i) {
    for (const unsigned flip : {0x01u, 0x02u, 0x10u, 0x20u, 0x80u, 0xffu}) {
      std::string changed = text_;
      changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ flip);
      expect_same_or_refused(changed, "byte " + std::to_string(i) + " ^ " + std::to_string(flip));
    }
    for (const char c : {'\0', '\n', ' ', '"'}) {
      if (text_[i] == c) continue;
      std::string changed = text_;
      changed[i] = c;
      expect_same_or_refused(changed, "byte " + std::to_string(i) + " replaced");
    }
  }
  EXPECT_EQ(accepted_, 0);
}

TEST_F(HostileProvidersFile, R1_5_NoCutNorInsertionGoesUnnoticed) {
  for (std::size_t i = 0; i < text_.size(); ++i) {
    expect_same_or_refused(text_.substr(0, i), "cut at " + std::to_string(i));
    expect_same_or_refused(text_.substr(i), "begins at " + std::to_string(i));
    for (const char c : {'\n', ' ', '1', '}'}) {
      std::string changed = text_;
      changed.insert(i, 1, c);
      expect_same_or_refused(changed, "inserted at " + std::to_string(i));
    }
    std::string changed = text_;
    changed.erase(i, 1);
    expect_same_or_refused(changed, "without byte " + std::to_string(i));
  }
  expect_same_or_refused(text_ + "\n", "a line more");
  expect_same_or_refused(text_ + text_, "twice");
  EXPECT_EQ(accepted_, 1) << "only the whole file, begun at 0";
}

TEST_F(HostileProvidersFile, LinesThatWereSwappedRepeatedOrLeftOutAreNoticed) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text_.size();) {
    const std::size_t end = text_.find('\n', at) + 1;
    lines.push_back(text_.substr(at, end - at));
    at = end;
  }
  const auto joined = [](const std::vector<std::string>& parts) {
    std::string out;
    for (const std::string& part : parts) out += part;
    return out;
  };
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto without = lines;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    expect_same_or_refused(joined(without), "without line " + std::to_string(i));
    auto twice = lines;
    twice.insert(twice.begin() + static_cast<std::ptrdiff_t>(i), lines[i]);
    expect_same_or_refused(joined(twice), "line twice " + std::to_string(i));
    for (std::size_t j = i + 1; j < lines.size(); ++j) {
      auto swapped = lines;
      std::swap(swapped[i], swapped[j]);
      expect_same_or_refused(joined(swapped), "swapped");
    }
  }
  EXPECT_EQ(accepted_, 0);
}

// --- fields of a later version ---

// Seals `fields` as a line of the form.
std::string sealed(const std::string& fields) {
  const std::string rest = fields + "}";
  return R"({"checksum":")" + to_hex(xxh64(rest)) + R"(",)" + rest + "\n";
}

TEST_F(FileProviderStoreTest, UnknownFieldsAreKeptOnRewrite) {
  std::string text = sealed(R"("format":"rollcall.providers","min_reader":1,"written_by":"9.9")") +
                     sealed(R"("descriptor":{"id":"a","kind":"in-memory","canary":{"share":0.5},)"
                            R"("auth":{"token_file":"/t","vault":"v"}},"reviewed":[1,2])") +
                     sealed(R"("descriptor":{"id":"b","kind":"in-memory","canary":null})");
  text +=
      sealed(R"("count":2,"digest":")" + to_hex(xxh64(text)) + R"(","revision":41,"fleet":"x")");
  files_.put(kPath, text);
  auto store = opened();
  const auto loaded = store.load();
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->revision, Revision(41));
  auto set = loaded->providers;
  ASSERT_EQ(set.size(), 2u);
  set[0].priority = 5;
  set.pop_back();
  set.push_back(in_memory("c"));
  EXPECT_EQ(saved(store, set, Revision(41)), Revision(42));

  const std::string after = *files_.content(kPath);
  for (const char* kept : {R"("written_by":"9.9")", R"("canary":{"share":0.5})", R"("vault":"v")",
                           R"("reviewed":[1,2])", R"("fleet":"x")", R"("priority":5)"}) {
    EXPECT_THAT(after, HasSubstr(kept));
  }
  EXPECT_THAT(after, Not(HasSubstr(R"("canary":null)"))) << "of a provider that is gone";
  const auto again = reloaded();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->providers, set);
}

// --- failures ---

TEST_F(FileProviderStoreTest, AFailedWriteLeavesTheOldSet) {
  auto store = opened();
  saved(store, {in_memory("a")}, Revision(0));
  for (const FileCall call : {FileCall::WriteSynced, FileCall::LinkOrCopy, FileCall::Rename}) {
    files_.fail_nth(call, 1);
    const auto refused = store.save({in_memory("b")}, Revision(1));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().error.code, ErrorCode::StoreIo);
    EXPECT_FALSE(refused.error().unknown) << to_string(call);
    EXPECT_EQ(reloaded()->providers[0].id, ProviderId("a"));
  }
  EXPECT_EQ(saved(store, {in_memory("b")}, Revision(1)), Revision(2));
}

TEST_F(FileProviderStoreTest, R1_5_AfterAnUnknownOutcomeWritesAreRefusedUntilARewriteSucceeds) {
  auto store = opened();
  saved(store, {in_memory("a")}, Revision(0));
  files_.fail_with_probability(FileCall::SyncDirectory, 1);
  const auto unknown = store.save({in_memory("b")}, Revision(1));
  ASSERT_FALSE(unknown);
  EXPECT_TRUE(unknown.error().unknown);
  EXPECT_EQ(unknown.error().error.code, ErrorCode::StoreIo);
  EXPECT_THAT(unknown.error().error.message, HasSubstr("unknown"));

  const auto refused = store.save({in_memory("c")}, Revision(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error.code, ErrorCode::StoreIo);
  EXPECT_THAT(refused.error().error.message, HasSubstr("refused"));

  files_.stop_failing();
  EXPECT_EQ(saved(store, {in_memory("c")}, Revision(1)), Revision(2));
  files_.power_cut();
  EXPECT_EQ(reloaded()->providers[0].id, ProviderId("c"));
}

TEST_F(FileProviderStoreTest, ASetThatWasNeverAcceptedDoesNotBecomeThePreviousGeneration) {
  auto store = opened();
  saved(store, {in_memory("a")}, Revision(0));
  files_.fail_nth(FileCall::SyncDirectory, 1);
  ASSERT_FALSE(store.save({in_memory("never")}, Revision(1)));
  saved(store, {in_memory("c")}, Revision(1));
  EXPECT_THAT(*files_.content(kPrevious), HasSubstr(R"("id":"a")"));
}

TEST_F(FileProviderStoreTest, LoadingMakesCertainWhatADeadProcessLeftInDoubt) {
  for (std::uint64_t seed = 1; seed <= 32; ++seed) {
    MemFileSystem files(seed);
    ASSERT_TRUE(files.make_directory(kDir));
    FileProviderStore first(files, kDir);
    ASSERT_TRUE(first.load());
    ASSERT_TRUE(first.save({in_memory("a")}, Revision(0)));
    files.fail_nth(FileCall::SyncDirectory, 1);
    ASSERT_FALSE(first.save({in_memory("b")}, Revision(1)));
    files.process_death();
    const auto seen = FileProviderStore(files, kDir).load();
    ASSERT_TRUE(seen);
    files.power_cut();
    const auto after = FileProviderStore(files, kDir).load();
    ASSERT_TRUE(after);
    EXPECT_EQ(after->providers, seen->providers) << "seed " << seed;
    EXPECT_EQ(after->revision, seen->revision) << "seed " << seed;
  }
}

TEST_F(FileProviderStoreTest, AnOversizedFileIsRefusedWithoutReadingIt) {
  files_.put(kPath, std::string(limits::kMaxStateFileBytes + 1, 'x'));
  const auto loaded = reloaded();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::StoreCorrupted);
  EXPECT_THAT(loaded.error().message, HasSubstr("too large"));
}

TEST_F(FileProviderStoreTest, MoreProvidersThanAllowedAreRefused) {
  SealedWriter file(kProvidersFormat);
  for (std::size_t i = 0; i <= limits::kMaxProviders; ++i) {
    file.record([&](JsonWriter& fields) {
      fields.field("descriptor", std::map<std::string, std::string>{{"id", "p" + std::to_string(i)},
                                                                    {"kind", "in-memory"}});
    });
  }
  files_.put(kPath, *std::move(file).finish([](JsonWriter& f) { f.field("revision", 1u); }));
  const auto loaded = reloaded();
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, HasSubstr("at most 64"));
}

}  // namespace
}  // namespace rollcall
