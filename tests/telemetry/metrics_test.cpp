#include "provisioning/telemetry/metrics.h"

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "core/limits.h"

namespace rollcall {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

MetricsSample::Provider provider(const std::string& id) {
  MetricsSample::Provider p;
  p.id = ProviderId(id);
  p.kind = "consul";
  p.health = HealthState::Healthy;
  p.ever_answered = true;
  p.last_update = from_unix_ms(1'790'000'000'500);
  p.active = id == "c1";
  p.watching = true;
  p.members = 3;
  return p;
}

MetricsSample::Consumer consumer(std::string_view bridge, const std::string& id,
                                 std::uint64_t lag) {
  return {bridge, id, true, bridge == "placement", lag, lag + 1};
}

MetricsSample sample() {
  MetricsSample s;
  s.providers = {provider("c1"), provider("c2")};
  s.consumers = {consumer("placement", "p", 4), consumer("remoting", "r", 0)};
  s.announce_states = {"WAITING", "LISTED"};
  s.announcements = {{ProviderId("c1"), "LISTED", from_unix_ms(1'790'000'000'250)},
                     {ProviderId("c2"), "WAITING", std::nullopt}};
  s.has_topology = true;
  s.members_by_status = {5, 2, 1};
  s.blocked = 3;
  s.blocked_by_status = {2, 0, 1};
  s.topology_observed_at = from_unix_ms(1'790'000'000'000);
  s.topology_age_seconds = 1.5;
  s.stale = false;
  s.availability = Availability::Available;
  s.placement_paused = false;
  s.epoch = make_epoch(7, 0xabcdef01);
  s.seq_no = make_seq(7, 42);
  s.revision = Revision(9);
  s.shared_store =
      MetricsSample::SharedStore{true, true, Revision(9), from_unix_ms(1'790'000'000'000)};
  s.traffic = {{"placement", 10, 40, 8000, 1, 39, {}}, {"remoting", 5, 20, 4000, 2, 0, {}}};
  s.traffic[1].ended[0] = 3;
  s.traffic[1].ended[static_cast<std::size_t>(ErrorCode::LimitExceeded)] = 2;
  return s;
}

Event event_of(decltype(Event::body) body) {
  Event event;
  event.body = std::move(body);
  return event;
}

// Everything that can happen, once.
void touch_everything(ProvisioningMetrics& metrics) {
  metrics.snapshot_latency(milliseconds(3));
  metrics.event_published(event_of(
      event::ProviderChanged{ProviderId("c1"), ProviderId("c2"), FailoverReason::Timeout}));
  metrics.stream_interrupted(ProviderId("c1"), "TIMEOUT");
  metrics.validation_hold(ProviderId("c1"));
  metrics.announce_call(ProviderId("c1"), "register", std::nullopt);
  metrics.announce_missing(ProviderId("c1"));
  metrics.connectivity_checked(ErrorCode::AuthFailed, milliseconds(20));
  metrics.store_written("providers.jsonl", StoreOutcome::Unknown, milliseconds(9));
  metrics.reloaded(true);
  metrics.snapshot_encoded(milliseconds(2));
  metrics.request("RegisterProvider", std::nullopt);
}

std::map<std::string, std::string> types_in(const std::string& text) {
  std::map<std::string, std::string> types;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash;
    std::string what;
    std::string name;
    std::string type;
    if (words >> hash >> what >> name >> type && hash == "#" && what == "TYPE") types[name] = type;
  }
  return types;
}

TEST(MetricsTest, R5_1_LatencyFailoversAndInterruptionsAreMeasured) {
  ProvisioningMetrics metrics("1.2.3");
  metrics.snapshot_latency(milliseconds(4));
  metrics.snapshot_latency(milliseconds(400));
  for (int i = 0; i < 2; ++i) {
    metrics.event_published(event_of(
        event::ProviderChanged{ProviderId("c1"), ProviderId("c2"), FailoverReason::Timeout}));
  }
  metrics.event_published(
      event_of(event::ProviderChanged{ProviderId(), ProviderId("c1"), FailoverReason::Recovered}));
  metrics.event_published(event_of(event::Delta{}));
  metrics.stream_interrupted(ProviderId("c1"), to_string(ErrorCode::IndexRollback));
  const std::string text = metrics.expose(sample());
  EXPECT_THAT(
      text,
      AllOf(HasSubstr("rollcall_snapshot_latency_seconds_count 2\n"),
            HasSubstr("rollcall_snapshot_latency_seconds_bucket{le=\"0.005\"} 1\n"),
            HasSubstr("rollcall_failovers_total{from=\"c1\",reason=\"TIMEOUT\",to=\"c2\"} 2\n"),
            HasSubstr("rollcall_failovers_total{from=\"none\",reason=\"RECOVERED\",to=\"c1\"} 1\n"),
            HasSubstr(
                "rollcall_stream_interruptions_total{code=\"INDEX_ROLLBACK\",provider=\"c1\"} 1\n"),
            HasSubstr("rollcall_events_total{event=\"delta\"} 1\n"),
            HasSubstr("rollcall_events_total{event=\"provider_changed\"} 3\n"),
            HasSubstr("rollcall_events_total{event=\"reset\"} 0\n")));
}

TEST(MetricsTest, R4_5_HealthOfProvidersAndOfRemoteNodesIsExported) {
  ProvisioningMetrics metrics("1.2.3");
  const std::string text = metrics.expose(sample());
  EXPECT_THAT(
      text,
      AllOf(HasSubstr("rollcall_provider_health{provider=\"c1\",state=\"HEALTHY\"} 1\n"),
            HasSubstr("rollcall_provider_health{provider=\"c1\",state=\"UNREACHABLE\"} 0\n"),
            HasSubstr(
                "rollcall_provider_last_update_timestamp_seconds{provider=\"c1\"} 1790000000.5\n"),
            HasSubstr("rollcall_remote_nodes{state=\"up\"} 3\n"),
            HasSubstr("rollcall_remote_nodes{state=\"degraded\"} 2\n"),
            HasSubstr("rollcall_remote_nodes{state=\"down\"} 3\n"),
            HasSubstr("rollcall_remote_nodes_last_update_timestamp_seconds 1790000000\n"),
            HasSubstr("rollcall_active_provider{provider=\"c1\"} 1\n"),
            HasSubstr("rollcall_active_provider{provider=\"c2\"} 0\n"),
            HasSubstr("rollcall_topology_members{status=\"NOT_READY\"} 1\n"),
            HasSubstr("rollcall_availability{state=\"AVAILABLE\"} 1\n"),
            HasSubstr("rollcall_boot_number 7\n"), HasSubstr("rollcall_event_sequence 42\n"),
            HasSubstr("rollcall_build_info{version=\"1.2.3\"} 1\n"),
            HasSubstr("rollcall_consumer_lag_events{bridge=\"placement\",consumer=\"p\"} 4\n"),
            HasSubstr("rollcall_subscribers{bridge=\"partition\"} 0\n")));
  EXPECT_THAT(text, Not(HasSubstr("unacknowledged_events{bridge=\"remoting\"")));
}

TEST(MetricsTest, WhereThisNodeIsAnnouncedIsShown) {
  ProvisioningMetrics metrics("1");
  metrics.announce_call(ProviderId("c1"), "renew", ErrorCode::Timeout);
  metrics.announce_call(ProviderId("c1"), "renew", std::nullopt);
  const std::string text = metrics.expose(sample());
  EXPECT_THAT(text,
              AllOf(HasSubstr("rollcall_announce_state{provider=\"c1\",state=\"LISTED\"} 1\n"),
                    HasSubstr("rollcall_announce_state{provider=\"c1\",state=\"WAITING\"} 0\n"),
                    HasSubstr("rollcall_announce_state{provider=\"c2\",state=\"WAITING\"} 1\n"),
                    HasSubstr("rollcall_announce_last_success_timestamp_seconds{provider=\"c1\"} "
                              "1790000000.25\n"),
                    HasSubstr("rollcall_announce_calls_total{call=\"renew\",code=\"TIMEOUT\","
                              "provider=\"c1\"} 1\n"),
                    HasSubstr("rollcall_announce_calls_total{call=\"renew\",code=\"OK\","
                              "provider=\"c1\"} 1\n")));
  EXPECT_THAT(text, Not(HasSubstr("last_success_timestamp_seconds{provider=\"c2\"}")));
}

TEST(MetricsTest, WhatIsNotKnownIsAbsentAndNotZero) {
  ProvisioningMetrics metrics("1");
  auto s = sample();
  s.has_topology = false;
  s.providers[1].ever_answered = false;
  const std::string text = metrics.expose(s);
  EXPECT_THAT(text, AllOf(Not(HasSubstr("rollcall_topology_age_seconds")),
                          Not(HasSubstr("rollcall_remote_nodes_last_update")),
                          Not(HasSubstr("last_update_timestamp_seconds{provider=\"c2\"}"))));
}

TEST(MetricsTest, TheReferenceAndTheExpositionHoldTheSameMetrics) {
  ProvisioningMetrics metrics("1");
  touch_everything(metrics);
  const auto exposed = types_in(metrics.expose(sample()));
  std::map<std::string, std::string> described;
  for (const MetricInfo& info : ProvisioningMetrics::reference()) {
    EXPECT_TRUE(described.emplace(info.name, info.type).second) << info.name;
    EXPECT_EQ(info.help.back(), '.') << info.name;
  }
  EXPECT_EQ(exposed, described);
}

TEST(MetricsTest, TheReferenceIsSortedAndItsNamesFollowTheConventions) {
  std::string_view before;
  for (const MetricInfo& info : ProvisioningMetrics::reference()) {
    EXPECT_LT(before, info.name);
    before = info.name;
    EXPECT_EQ(info.name.ends_with("_total"), info.type == "counter") << info.name;
    if (info.type == "histogram") {
      EXPECT_TRUE(info.name.ends_with("_seconds")) << info.name;
    }
  }
  const std::string table = ProvisioningMetrics::reference_markdown();
  EXPECT_THAT(table, HasSubstr("| `rollcall_failovers_total` | counter | from, to, reason | "));
}

TEST(MetricsTest, TheExpositionIsWellFormed) {
  ProvisioningMetrics metrics("1");
  touch_everything(metrics);
  std::set<std::string> series;
  std::istringstream lines(metrics.expose(sample()));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) continue;
    const std::size_t space = line.rfind(' ');
    ASSERT_NE(space, std::string::npos) << line;
    EXPECT_TRUE(series.insert(line.substr(0, space)).second) << "twice: " << line;
    EXPECT_NO_THROW((void)std::stod(line.substr(space + 1))) << line;
  }
  EXPECT_GT(series.size(), 100u);
}

// --- bounds ---

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

TEST(MetricsTest, ConsumerNamesAreBoundedAndTheRestIsOther) {
  ProvisioningMetrics metrics("1");
  MetricsSample s;
  for (std::size_t i = 0; i < limits::kMetricConsumers + 36; ++i) {
    s.consumers.push_back(consumer("partition", "c" + std::to_string(1000 + i), i));
  }
  const std::string text = metrics.expose(s);
  EXPECT_EQ(count_of(text, "rollcall_consumer_lag_events{"), limits::kMetricConsumers + 1);
  EXPECT_THAT(
      text,
      AllOf(HasSubstr("rollcall_consumer_lag_events{bridge=\"partition\",consumer=\"other\"} 99\n"),
            HasSubstr("rollcall_consumer_connected{bridge=\"partition\",consumer=\"other\"} 36\n"),
            HasSubstr("rollcall_subscribers{bridge=\"partition\"} 100\n")));
}

TEST(MetricsTest, APlaceOfAConsumerThatIsGoneIsGivenToANewOne) {
  ProvisioningMetrics metrics("1");
  MetricsSample s;
  for (std::size_t i = 0; i < limits::kMetricConsumers; ++i) {
    s.consumers.push_back(consumer("partition", "old" + std::to_string(i), 0));
  }
  (void)metrics.expose(s);
  s.consumers.erase(s.consumers.begin());
  s.consumers.push_back(consumer("partition", "new", 5));
  EXPECT_THAT(metrics.expose(s),
              AllOf(HasSubstr("consumer=\"new\"} 5\n"), Not(HasSubstr("consumer=\"other\""))));
}

TEST(MetricsTest, ProviderNamesAreBoundedWhateverComesAndGoes) {
  ProvisioningMetrics metrics("1");
  for (int i = 0; i < 10'000; ++i) {
    metrics.stream_interrupted(ProviderId("p" + std::to_string(i)), "TIMEOUT");
  }
  EXPECT_LE(count_of(metrics.expose(MetricsSample()), "rollcall_stream_interruptions_total{"),
            limits::kMaxProviders + 1);
}

TEST(MetricsTest, LivingProvidersKeepTheirSeriesWhenOthersCome) {
  ProvisioningMetrics metrics("1");
  metrics.stream_interrupted(ProviderId("c1"), "TIMEOUT");
  (void)metrics.expose(sample());
  for (int i = 0; i < 1000; ++i) {
    metrics.stream_interrupted(ProviderId("p" + std::to_string(i)), "TIMEOUT");
  }
  EXPECT_THAT(
      metrics.expose(sample()),
      HasSubstr("rollcall_stream_interruptions_total{code=\"TIMEOUT\",provider=\"c1\"} 1\n"));
}

TEST(MetricsTest, WhatTheBridgesSentIsExported) {
  ProvisioningMetrics metrics("1");
  EXPECT_THAT(
      metrics.expose(sample()),
      AllOf(HasSubstr("# TYPE rollcall_events_sent_total counter\n"),
            HasSubstr("rollcall_events_sent_total{bridge=\"placement\"} 40\n"),
            HasSubstr("rollcall_sent_bytes_total{bridge=\"remoting\"} 4000\n"),
            HasSubstr("rollcall_acknowledgements_total{bridge=\"placement\"} 39\n"),
            HasSubstr("rollcall_subscribers_ended_total{bridge=\"remoting\",code=\"OK\"} 3\n"),
            HasSubstr("rollcall_subscribers_ended_total{bridge=\"remoting\",code=\"LIMIT_"
                      "EXCEEDED\"} 2\n")));
}

TEST(MetricsTest, CountingAndScrapingFromManyThreads) {
  ProvisioningMetrics metrics("1");
  constexpr int kEach = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        metrics.snapshot_encoded(milliseconds(1));
        metrics.stream_interrupted(ProviderId("p" + std::to_string(t)), "TIMEOUT");
        metrics.request("GetStatus", std::nullopt);
        if (i % 100 == 0) (void)metrics.expose(sample());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = metrics.expose(sample());
  EXPECT_THAT(text,
              AllOf(HasSubstr("rollcall_snapshots_encoded_total 1500\n"),
                    HasSubstr("rollcall_requests_total{code=\"OK\",method=\"GetStatus\"} 1500\n")));
}

TEST(MetricsTest, LabelValuesAreEscaped) {
  ProvisioningMetrics metrics("1");
  MetricsSample s;
  s.consumers = {consumer("remoting", "a\"b\\c\nd", 0)};
  EXPECT_THAT(metrics.expose(s), HasSubstr(R"(consumer="a\"b\\c\nd")"));
}

}  // namespace
}  // namespace rollcall
