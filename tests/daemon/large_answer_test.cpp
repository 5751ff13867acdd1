// A Consul that really sends more than 64 MiB, and one whose 64 MB are valid but hold too many
// members, through client, parser and runner of the real sidecar.

#include <atomic>
#include <cstdlib>

#include "core/limits.h"
#include "tests/daemon/failover_fixture.h"
#include "tests/providers/consul_text.h"
#include "tests/providers/scripted_server.h"

namespace rollcall::test {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20U;

std::string entry(std::size_t i) { return consul_entry("n", "db-" + std::to_string(i)); }

// In chunks, so that no length warns of what comes: the beginning of a list, and blanks for ever.
bool send_without_end(ScriptedServer::Connection& c) {
  const std::string blanks = "100000\r\n" + std::string(kMiB, ' ') + "\r\n";
  std::string head = consul_ok("", 5);
  head.replace(head.find("Content-Length: 0"), sizeof("Content-Length: 0") - 1,
               "Transfer-Encoding: chunked");
  bool sent = c.send(head) && c.send("1\r\n[\r\n");
  for (std::size_t i = 0; sent && i <= 2 * limits::kMaxBackendAnswerBytes / kMiB; ++i) {
    sent = c.send(blanks);
  }
  return sent;
}

// One member too many, each with enough blanks behind it for 64 MB together.
std::string too_many() {
  constexpr std::size_t kEach = 64'000'000 / limits::kMaxMembers;
  const std::string sample = consul_entry("n", "@");
  const std::string before_id = sample.substr(0, sample.find('@'));
  const std::string after_id = sample.substr(before_id.size() + 1);
  std::string body;
  body.reserve(limits::kMaxBackendAnswerBytes);
  for (std::size_t i = 0; i <= limits::kMaxMembers; ++i) {
    body.append(i == 0 ? "[" : ",").append(before_id).append(std::to_string(i)).append(after_id);
    body.append(kEach - sample.size(), ' ');
  }
  return consul_ok(body.append("]"), 5);
}

class LargeAnswer : public FailoverFixture {
 protected:
  // The most memory that the sidecar ever had.
  std::size_t peak_bytes() {
    const std::string status =
        read_file("/proc/" + std::to_string(daemon_.process().pid()) + "/status");
    const std::size_t at = status.find("VmHWM:");
    if (at == std::string::npos) return 0;
    return std::strtoul(status.c_str() + at + sizeof("VmHWM:"), nullptr, 10) * 1024;
  }
};

TEST_F(LargeAnswer, IsRefusedWithinBoundsAndTheLastMembersStay) {
  enum class Says { Two, Endless, TooMany };
  std::atomic<Says> says{Says::Two};
  const std::string two = consul_ok("[" + entry(1) + "," + entry(2) + "]", 5);
  const std::string many = too_many();
  ASSERT_GT(many.size(), 64'000'000u);
  ASSERT_LT(many.size(), limits::kMaxBackendAnswerBytes);
  ScriptedServer server([&](ScriptedServer::Connection& c, const std::string&) {
    if (says == Says::Endless) return send_without_end(c);
    return c.send(says == Says::Two ? two : many);
  });
  start_daemon(std::string(kFastFailover) + ", max_errors: 1");
  ProviderDescriptor d = consul_provider("consul", 10, server.url(), "db");
  d.watch_params["id"] = "service";
  d.watch_params["wait_ms"] = "100";
  accept(d);
  serve({"db-1", "db-2"});
  [[maybe_unused]] const std::size_t before = peak_bytes();
  const struct {
    Says says;
    std::size_t peak_bytes;
  } answers[] = {
      // The answer itself, twice while its buffer grows.
      {Says::Endless, 3 * limits::kMaxBackendAnswerBytes},
      // And what a parser makes of it, and as many members as are permitted.
      {Says::TooMany, 6 * limits::kMaxBackendAnswerBytes},
  };
  for (const auto& large : answers) {
    says = large.says;
    expect_failover("consul", v1::FAILOVER_REASON_HEALTH_DEGRADED, "LIMIT_EXCEEDED");
    says = Says::Two;
    expect_way_back("consul");
#ifndef ROLLCALL_SANITIZED  // which keep what is freed
    EXPECT_LT(peak_bytes(), before + large.peak_bytes);
#endif
  }
}

}  // namespace
}  // namespace rollcall::test
