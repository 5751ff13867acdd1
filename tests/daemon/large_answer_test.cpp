// A Consul that really sends more than 64 MiB, and one whose 64 MB are valid but hold too many
// members, through client, parser and runner of the real sidecar.

#include <atomic>
#include <cstdlib>
#include <functional>

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
[[maybe_unused]] std::string too_many() {
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
  using Answer = std::function<bool(ScriptedServer::Connection&)>;

  // Two members; then the large answer, for which the provider is left; then the two again.
  void goes_through(const Answer& large, [[maybe_unused]] std::size_t peak) {
    std::atomic<bool> is_large{false};
    const std::string two = consul_ok("[" + entry(1) + "," + entry(2) + "]", 5);
    ScriptedServer server([&](ScriptedServer::Connection& c, const std::string&) {
      return is_large ? large(c) : c.send(two);
    });
    start_daemon(std::string(kFastFailover) + ", max_errors: 1");
    ProviderDescriptor d = consul_provider("consul", 10, server.url(), "db");
    d.watch_params["id"] = "service";
    d.watch_params["wait_ms"] = "100";
    accept(d);
    serve({"db-1", "db-2"});
    [[maybe_unused]] const std::size_t before = peak_bytes();
    is_large = true;
    // A machine that is too busy to send so much within its deadline is told as that, before.
    EXPECT_TRUE(state_becomes("consul", [](const auto& state) {
      return !state.active() && state.last_error_code() == "LIMIT_EXCEEDED";
    })) << daemon_.output();
    expect_no_change(*consumer_);
    is_large = false;
    expect_way_back("consul");
#ifndef ROLLCALL_SANITIZED  // which keeps what is freed
    EXPECT_LT(peak_bytes(), before + peak);
#endif
  }
  // The most memory that the sidecar ever had.
  std::size_t peak_bytes() {
    const std::string status =
        read_file("/proc/" + std::to_string(daemon_.process().pid()) + "/status");
    const std::size_t at = status.find("VmHWM:");
    if (at == std::string::npos) return 0;
    return std::strtoul(status.c_str() + at + sizeof("VmHWM:"), nullptr, 10) * 1024;
  }
};

TEST_F(LargeAnswer, AnEndlessOneIsRefusedWithinBoundsAndTheLastMembersStay) {
  // The answer itself, twice while its buffer grows.
  goes_through(send_without_end, 3 * limits::kMaxBackendAnswerBytes);
}

#ifndef ROLLCALL_SANITIZED  // there a parser without optimisation needs longer than a timeout
TEST_F(LargeAnswer, OneOfTooManyMembersIsRefusedWithinBoundsAndTheLastMembersStay) {
  const std::string many = too_many();
  ASSERT_GT(many.size(), 64'000'000u);
  ASSERT_LT(many.size(), limits::kMaxBackendAnswerBytes);
  // What a parser makes of it, too, and as many members as are permitted.
  goes_through([&](ScriptedServer::Connection& c) { return c.send(many); },
               6 * limits::kMaxBackendAnswerBytes);
}
#endif

}  // namespace
}  // namespace rollcall::test
