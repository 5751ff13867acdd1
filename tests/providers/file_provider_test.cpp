// The kind file, on real files: editors' renames, ConfigMap swaps, half-written and misspelt files,
// files that may not be read.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>

#include "core/limits.h"
#include "providers/common/limits.h"
#include "providers/file/file_provider.h"
#include "tests/backends/environment.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;

constexpr char kOne[] = "- {id: a, host: 10.0.0.1, port: 7000}\n";
constexpr char kTwo[] = "- {id: a, host: 10.0.0.1, port: 7000}\n- {id: b, host: 10.0.0.2}\n";

bool is_snapshot(const ProviderEvent& e) { return std::holds_alternative<ProviderSnapshot>(e); }
bool is_failure(const ProviderEvent& e) { return std::holds_alternative<FailedAnswer>(e); }
bool is_unchanged(const ProviderEvent& e) { return std::holds_alternative<UnchangedAnswer>(e); }
ErrorCode code_of(const ProviderEvent& e) {
  const auto* failed = std::get_if<FailedAnswer>(&e);
  return failed == nullptr ? ErrorCode::InvalidConfig : failed->code;
}

// Root reads whatever a file's mode says, by two capabilities that this thread, and those that it
// starts meanwhile, do without. (Another uid would do it, too, but may not come as far as TMPDIR.)
class ModesCount {
 public:
  ModesCount() {
    taken_ = ::syscall(SYS_capget, &header_, before_) == 0;
    __user_cap_data_struct now[2] = {before_[0], before_[1]};
    now[0].effective &= ~(1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH);
    taken_ = taken_ && ::syscall(SYS_capset, &header_, now) == 0;
  }
  ~ModesCount() {
    if (taken_) ::syscall(SYS_capset, &header_, before_);
  }
  ModesCount(const ModesCount&) = delete;
  ModesCount& operator=(const ModesCount&) = delete;
  bool taken() const { return taken_; }

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct before_[2] = {};
  bool taken_ = false;
};

class FileProvider : public ::testing::Test {
 protected:
  ProviderDescriptor descriptor(const std::string& poll_ms = "5000") const {
    ProviderDescriptor d;
    d.id = ProviderId("file");
    d.kind = "file";
    d.watch_params = {{"path", path_}, {"attest_ms", "50"}, {"poll_ms", poll_ms}};
    return d;
  }
  std::unique_ptr<ClusterProvider> create() {
    auto provider = make_file_factory()->create(descriptor(), {&clock_, nullptr, ""});
    EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
    return provider ? std::move(*provider) : nullptr;
  }

  std::string at(const std::string& name) const { return (directory_ / name).string(); }

  PausableClock clock_;
  TempDir directory_;
  std::string path_ = at("members.yaml");
};

TEST_F(FileProvider, R2_1_FollowsTheFileHoweverItIsReplaced) {
  write_in_place(path_, kOne);
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  write_in_place(path_, kTwo);
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[a b]");
  write_and_rename(path_, kOne);
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[a]");
  // As vi does: the old file moves aside, a new one is written under its name.
  ASSERT_EQ(0, ::rename(path_.c_str(), (path_ + "~").c_str()));
  write_in_place(path_, kTwo);
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[a b]");
}

TEST_F(FileProvider, FollowsTheSwapOfAConfigMap) {
  const auto version = [&](const std::string& name, const char* text) {
    std::filesystem::create_directory(at(name));
    write_in_place(at(name + "/members.yaml"), text);
    std::filesystem::create_directory_symlink(name, at("..data_tmp"));
    ASSERT_EQ(0, ::rename(at("..data_tmp").c_str(), at("..data").c_str()));
  };
  version("..2024_1", kOne);
  std::filesystem::create_symlink("..data/members.yaml", path_);
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  version("..2024_2", kTwo);
  std::filesystem::remove_all(at("..2024_1"));
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[a b]");
  version("..2024_3", kOne);
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[a]");
}

TEST_F(FileProvider, APollSeesWhatInotifyDoesNot) {
  // A chain of links: the directory of the one in the middle is not watched.
  for (const char* name : {"links", "v1", "v2"}) std::filesystem::create_directory(at(name));
  write_in_place(at("v1/list"), kOne);
  write_in_place(at("v2/list"), kTwo);
  std::filesystem::create_symlink("../v1/list", at("links/current"));
  std::filesystem::create_symlink("links/current", path_);
  ProviderDescriptor d = descriptor("20");
  d.watch_params["attest_ms"] = "5000";
  auto provider = make_file_factory()->create(d, {&clock_, nullptr, ""});
  ASSERT_TRUE(provider.has_value());
  StreamReader stream((*provider)->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  std::filesystem::create_symlink("../v2/list", at("links/next"));
  ASSERT_EQ(0, ::rename(at("links/next").c_str(), at("links/current").c_str()));
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[a b]");
}

TEST_F(FileProvider, AttestsThatNothingChanged) {
  write_in_place(path_, kOne);
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a]");
  EXPECT_EQ(to_text(stream.next()), "unchanged");
  EXPECT_EQ(to_text(stream.next()), "unchanged");
}

TEST_F(FileProvider, AMisspeltFileKeepsTheLastGoodOneAndSaysWhere) {
  write_in_place(path_, kTwo);
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
  write_and_rename(path_, "- {id: a, host: 10.0.0.1}\n- {id: b, hots: 10.0.0.2, port: 70000}\n");
  const ProviderEvent failed = stream.until(is_failure);
  EXPECT_EQ(code_of(failed), ErrorCode::MalformedResponse);
  EXPECT_THAT(to_text(failed), HasSubstr(path_ + ":2"));
  EXPECT_THAT(to_text(failed), HasSubstr("host"));
  EXPECT_THAT(to_text(failed), HasSubstr("70000"));
  // Back to the same content: confirmed, and nothing changed.
  write_and_rename(path_, kTwo);
  EXPECT_EQ(to_text(stream.until([](const ProviderEvent& e) { return !is_failure(e); })),
            "unchanged");
}

TEST_F(FileProvider, AHalfWrittenListIsNotReadBeforeItIsClosed) {
  write_in_place(path_, kTwo);
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
  clock_.pause();  // patience with a slow writer doesn't run out while this test is slow
  const int fd = ::open(path_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  // The first line alone is a valid list without "b": reading it now would be a false Leave.
  ASSERT_EQ(::write(fd, kOne, sizeof kOne - 1), static_cast<ssize_t>(sizeof kOne - 1));
  const std::string rest = std::string(kTwo).substr(sizeof kOne - 1) + "- {id: c, host: h}\n";
  ASSERT_EQ(::write(fd, rest.data(), rest.size()), static_cast<ssize_t>(rest.size()));
  ::close(fd);
  EXPECT_EQ(to_text(stream.until([](const ProviderEvent& e) { return !is_unchanged(e); })),
            "snapshot[a b c]");
}

TEST_F(FileProvider, R2_4_EmptyIsTyped) {
  write_in_place(path_, "[]\n");
  auto provider = create();
  {
    StreamReader stream(provider->stream());
    EXPECT_EQ(to_text(stream.next()), "snapshot[]");  // an explicit empty list is an answer
  }
  for (const char* text : {"", "# nothing but a comment\n", "null\n"}) {
    SCOPED_TRACE(text);
    write_in_place(path_, text);
    StreamReader stream(provider->stream());
    EXPECT_EQ(code_of(stream.next()), ErrorCode::MalformedResponse);
  }
  ASSERT_EQ(0, ::unlink(path_.c_str()));
  StreamReader stream(provider->stream());
  EXPECT_EQ(code_of(stream.next()), ErrorCode::BackendUnavailable);
  write_in_place(path_, kOne);
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[a]");
}

TEST_F(FileProvider, ADeletedFileIsAFailureAndComesBack) {
  write_in_place(path_, kTwo);
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
  ASSERT_EQ(0, ::unlink(path_.c_str()));
  EXPECT_EQ(code_of(stream.until(is_failure)), ErrorCode::BackendUnavailable);
  write_in_place(path_, kOne);
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[a]");
}

TEST_F(FileProvider, AMissingDirectoryIsAFailureAndComesBack) {
  path_ = at("not/yet/members.json");
  StreamReader stream(create()->stream());
  EXPECT_EQ(code_of(stream.next()), ErrorCode::BackendUnavailable);
  std::filesystem::create_directories(at("not/yet"));
  write_in_place(path_, R"([{"id":"a","host":"h"}])");
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[a]");
  std::filesystem::remove_all(at("not"));
  EXPECT_EQ(code_of(stream.until(is_failure)), ErrorCode::BackendUnavailable);
  std::filesystem::create_directories(at("not/yet"));
  write_in_place(path_, R"([{"id":"b","host":"h"}])");
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[b]");
}

TEST_F(FileProvider, HostileFilesAreRefusedWithinBounds) {
  const struct {
    const char* name;
    std::string text;
  } cases[] = {
      {"duplicate ids", "- {id: a, host: h}\n- {id: a, host: i}\n"},
      {"duplicate keys", R"([{"id":"a","host":"h","host":"i"}])"},
      {"invalid UTF-8", "- {id: \"\xff\xfe\", host: h}\n"},
      {"deep", std::string(200, '[') + std::string(200, ']')},
      {"aliases", "- &a {id: a, host: h}\n- *a\n"},
      {"cut JSON", R"([{"id":"a","host":"h"},{"id":"b","ho)"},
      {"wrong types", R"([{"id":1,"host":["h"],"port":"x"}])"},
      {"a thousand problems",
       [] {
         std::string text;
         for (int i = 0; i < 1000; ++i) text += "- {id: n" + std::to_string(i) + ", port: 99999}\n";
         return text;
       }()},
  };
  auto provider = create();
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    write_in_place(path_, c.text);
    StreamReader stream(provider->stream());
    const ProviderEvent failed = stream.next();
    EXPECT_EQ(code_of(failed), ErrorCode::MalformedResponse) << to_text(failed);
    ASSERT_TRUE(is_failure(failed));
    EXPECT_LE(std::get<FailedAnswer>(failed).detail.size(), limits::kMaxFailureDetailBytes);
    EXPECT_THAT(to_text(failed), HasSubstr(path_));
  }
}

TEST_F(FileProvider, WhatIsNoReadableFileIsRefused) {
  auto provider = create();
  std::filesystem::create_directory(path_);
  EXPECT_EQ(provider->initial_snapshot({}).error().code, ErrorCode::InvalidConfig);
  std::filesystem::remove(path_);
  ASSERT_EQ(0, ::mkfifo(path_.c_str(), 0600));
  EXPECT_EQ(provider->check_connectivity({}).error().code, ErrorCode::InvalidConfig);
  std::filesystem::remove(path_);
  write_in_place(path_, "");
  ASSERT_EQ(0, ::truncate(path_.c_str(), static_cast<off_t>(limits::kMaxMemberFileBytes) + 1));
  EXPECT_EQ(provider->initial_snapshot({}).error().code, ErrorCode::LimitExceeded);
}

TEST_F(FileProvider, WhatMayNotBeReadIsDeniedAndNobodyLeavesAndItComesBack) {
  const ModesCount modes;
  ASSERT_TRUE(modes.taken());
  write_in_place(path_, kTwo);
  auto provider = create();
  StreamReader stream(provider->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
  for (const std::string& denied : {path_, directory_.path().string()}) {
    SCOPED_TRACE(denied);
    ASSERT_EQ(0, ::chmod(denied.c_str(), 0));
    const ProviderEvent failed =
        stream.until([](const ProviderEvent& e) { return !is_unchanged(e); });
    EXPECT_EQ(code_of(failed), ErrorCode::PermissionDenied) << to_text(failed);
    EXPECT_THAT(to_text(failed), HasSubstr(path_));
    const auto checked = provider->check_connectivity({});
    ASSERT_FALSE(checked.has_value());
    EXPECT_EQ(checked.error().code, ErrorCode::PermissionDenied);
    ASSERT_EQ(0, ::chmod(denied.c_str(), 0700));
    EXPECT_EQ(to_text(stream.until([](const ProviderEvent& e) { return !is_failure(e); })),
              "unchanged");
  }
  // Written while it may not be read, and seen with its old mode again.
  ASSERT_EQ(0, ::chmod(path_.c_str(), 0200));
  EXPECT_EQ(code_of(stream.until(is_failure)), ErrorCode::PermissionDenied);
  write_in_place(path_, kOne);
  ASSERT_EQ(0, ::chmod(path_.c_str(), 0600));
  EXPECT_EQ(to_text(stream.until(is_snapshot)), "snapshot[a]");
}

TEST_F(FileProvider, R4_1_DrainingIsAChangeOfWhoIsThere) {
  write_in_place(path_, kTwo);
  StreamReader stream(create()->stream());
  EXPECT_EQ(to_text(stream.next()), "snapshot[a b]");
  write_and_rename(path_, std::string(kOne) + "- {id: b, host: 10.0.0.2, status: DRAINING}\n");
  const ProviderEvent event = stream.until([](const ProviderEvent& e) { return !is_unchanged(e); });
  ASSERT_EQ(to_text(event), "snapshot[a b]");
  for (const ClusterNode& node : std::get<ProviderSnapshot>(event).members) {
    EXPECT_EQ(node.status, node.id.str() == "b" ? NodeStatus::Draining : NodeStatus::Ready);
  }
}

TEST_F(FileProvider, R1_1_AllProblemsOfADescriptorAtOnce) {
  ProviderDescriptor d = descriptor("1");
  d.watch_params["path"] = "relative";
  d.watch_params["attest_ms"] = "99999";
  d.watch_params["colour"] = "blue";
  d.endpoints = {"http://127.0.0.1"};
  d.auth.token_file = "/t";
  EXPECT_EQ(make_file_factory()->validate(d, "p").size(), 6u);
}

}  // namespace
}  // namespace rollcall::test
