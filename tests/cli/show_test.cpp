// What the commands print, against texts written out here: an operator's scripts and eyes rely on
// them.
#include <gtest/gtest.h>

#include <string>

#include "core/codec/canonical.h"
#include "core/codec/json_reader.h"
#include "deploy/rollcall/show_events.h"
#include "deploy/rollcall/show_providers.h"
#include "deploy/rollcall/show_status.h"

namespace rollcall::cli {
namespace {

v1::ProviderState state_of(const std::string& id, bool active) {
  v1::ProviderState state;
  auto& provider = *state.mutable_provider();
  provider.set_id(id);
  provider.set_kind("file");
  provider.set_priority(10);
  provider.set_standby("hot");
  provider.set_enabled(true);
  provider.set_origin("api");
  (*provider.mutable_watch_params())["path"] = "/etc/members.yaml";
  state.set_active(active);
  state.set_health(v1::HEALTH_HEALTHY);
  state.set_last_confirmed_unix_ms(1'700'000'000'123);
  state.set_confirmed_age_ms(400);
  state.set_members(3);
  state.set_watching(true);
  return state;
}

v1::GetStatusResponse healthy_status() {
  v1::GetStatusResponse status;
  status.set_version("0.1.0");
  status.set_cluster("prod");
  status.set_epoch(4'294'967'297);
  status.set_seq_no(1'099'511'627'777);
  status.set_snapshot_hash(0xc0ffee);
  status.set_hash_version(1);
  status.set_availability(v1::AVAILABILITY_AVAILABLE);
  status.set_has_topology(true);
  status.set_age_ms(400);
  status.set_active_provider("a");
  status.set_active_health(v1::HEALTH_HEALTHY);
  status.set_members(3);
  status.set_ready(2);
  status.set_draining(1);
  status.set_revision(7);
  status.set_uptime_ms(185'000);
  auto& consumer = *status.add_consumers();
  consumer.set_bridge("placement");
  consumer.set_consumer_id("p1");
  consumer.set_connected(true);
  consumer.set_acknowledges(true);
  consumer.set_acknowledged_seq(1'099'511'627'777);
  return status;
}

v1::ListProvidersResponse providers_of(const std::vector<v1::ProviderState>& states) {
  v1::ListProvidersResponse response;
  for (const auto& state : states) *response.add_providers() = state;
  response.set_revision(7);
  return response;
}

TEST(StatusTest, AHealthySidecarNeedsNothing) {
  EXPECT_EQ(status_text(healthy_status(), providers_of({state_of("a", true)})),
            R"(rollcalld 0.1.0, cluster prod, up 3 min 5 s

Topology   AVAILABLE, 3 members (2 ready, 1 draining), confirmed 400 ms ago
Provider   a (HEALTHY)
Position   4294967297:1099511627777, hash 0x0000000000c0ffee (version 1)
Registry   1 provider, revision 7

Consumers
  BRIDGE     CONSUMER  STATE      LAG       ACKNOWLEDGED
  placement  p1        connected  0 events  1099511627777

Nothing needs attention.
)");
}

TEST(StatusTest, TheStoreHasALine) {
  auto status = healthy_status();
  auto& store = *status.mutable_store();
  const auto line = [&] {
    const std::string text = status_text(status, providers_of({state_of("a", true)}));
    const auto at = text.find("Store      ");
    return text.substr(at, text.find('\n', at) - at);
  };
  store.set_kind("file");
  store.set_where("/var/lib/rollcall/providers.jsonl");
  store.set_state("own");
  EXPECT_EQ(line(), "Store      /var/lib/rollcall/providers.jsonl");
  store.set_kind("etcd");
  store.set_where("etcd key /k");
  store.set_state("waiting");
  EXPECT_EQ(line(), "Store      etcd key /k, waiting");
  store.set_reached(true);
  store.set_contact_age_ms(400);
  store.set_shared_revision(7);
  store.set_state("following");
  EXPECT_EQ(line(), "Store      etcd key /k, following, last answered 400 ms ago");
  store.set_state("refused");
  store.set_shared_revision(5);
  EXPECT_EQ(line(), "Store      etcd key /k, refused, last answered 400 ms ago, holds revision 5");
  store.set_shared_revision(0);
  EXPECT_EQ(line(), "Store      etcd key /k, refused, last answered 400 ms ago, holds no set");
  store.set_error("a secret-free reason");
  const auto json = status_json(status, providers_of({}));
  ASSERT_TRUE(json);
  EXPECT_NE(json->find("\"state\": \"refused\""), std::string::npos) << *json;
}

TEST(StatusTest, R5_3_AnOutageSaysWhatIsWrongAndWhatToDo) {
  auto status = healthy_status();
  status.set_availability(v1::AVAILABILITY_UNAVAILABLE);
  status.set_stale(true);
  status.set_age_ms(65'000);
  status.clear_active_provider();
  status.clear_consumers();
  auto down = state_of("a", false);
  down.set_health(v1::HEALTH_UNREACHABLE);
  down.set_last_error_code("BACKEND_UNAVAILABLE");
  down.set_last_error("connection refused");
  auto held = state_of("b", false);
  held.set_held(true);
  held.set_held_reason("5 MALFORMED_RESPONSE in 60 s");
  const std::string text = status_text(status, providers_of({down, held}));
  EXPECT_EQ(text.substr(text.find("Needs attention")), R"(Needs attention
  ! No provider can be used: the last topology (3 members, confirmed 1 min 5 s ago) is served stale and new placements are paused.
    -> rollcall providers list
  ! Provider a is UNREACHABLE: BACKEND_UNAVAILABLE connection refused.
    -> rollcall providers show a
  ! Provider b is held back, as its answers kept failing validation: 5 MALFORMED_RESPONSE in 60 s.
    -> correct its backend, then rollcall providers enable b
)");
}

TEST(StatusTest, WhereThisNodeIsAnnouncedIsShownAndWhatIsWrongWithIt) {
  auto status = healthy_status();
  auto& listed = *status.add_announcements();
  listed.set_provider_id("consul");
  listed.set_state("LISTED");
  listed.set_since_ms(65'000);
  listed.set_listed_as("agent-1/n1");
  EXPECT_NE(status_text(status, providers_of({state_of("a", true)})).find(R"(Announced
  PROVIDER  STATE   FOR        LISTED AS   LOST  MISSING
  consul    LISTED  1 min 5 s  agent-1/n1  0     0

Consumers
)"),
            std::string::npos)
      << status_text(status, providers_of({}));
  const struct {
    const char* state;
    const char* code;
    const char* said;
  } wrong[] = {{"WAITING", "", "not announced through consul"},
               {"UNABLE", "CAPABILITY_MISSING", "can't be announced through consul"},
               {"REGISTERING", "AUTH_FAILED", "can't be registered at consul: AUTH_FAILED"},
               {"UNRENEWED", "TIMEOUT", "can't be renewed at consul: TIMEOUT"},
               {"MISSING", "", "missing in the list of consul"}};
  for (const auto& [state, code, said] : wrong) {
    status.mutable_announcements(0)->set_state(state);
    status.mutable_announcements(0)->set_last_error_code(code);
    const auto findings = diagnose(status, providers_of({state_of("a", true)}));
    ASSERT_EQ(findings.size(), 1u) << state;
    EXPECT_NE(findings[0].what.find(said), std::string::npos) << findings[0].what;
  }
  for (const char* fine : {"REGISTERING", "REGISTERED", "LISTED", "WITHDRAWING"}) {
    status.mutable_announcements(0)->set_state(fine);
    status.mutable_announcements(0)->clear_last_error_code();
    EXPECT_TRUE(diagnose(status, providers_of({state_of("a", true)})).empty()) << fine;
  }
  const auto json = status_json(status, providers_of({}));
  ASSERT_TRUE(json);
  EXPECT_NE(json->find(R"("listed_as": "agent-1/n1")"), std::string::npos) << *json;
}

TEST(StatusTest, EveryConditionHasItsFinding) {
  const auto first = [](const v1::GetStatusResponse& status, const v1::ProviderState& state) {
    const auto findings = diagnose(status, providers_of({state}));
    return findings.empty() ? std::string() : findings[0].what;
  };
  const auto good = state_of("a", true);
  auto status = healthy_status();
  EXPECT_EQ(first(status, good), "");
  status.set_has_topology(false);
  EXPECT_NE(first(status, good).find("no topology"), std::string::npos);
  status = healthy_status();
  status.set_availability(v1::AVAILABILITY_EMPTY);
  EXPECT_NE(first(status, good).find("no members"), std::string::npos);
  status = healthy_status();
  status.set_draining_sidecar(true);
  EXPECT_NE(first(status, good).find("draining"), std::string::npos);
  status = healthy_status();
  status.set_stale(true);
  EXPECT_NE(first(status, good).find("stale"), std::string::npos);
  status = healthy_status();
  status.set_active_health(v1::HEALTH_DEGRADED);
  EXPECT_NE(first(status, good).find("DEGRADED"), std::string::npos);
  status = healthy_status();
  status.set_removals_held(2);
  EXPECT_NE(first(status, good).find("2 removals"), std::string::npos);
  status = healthy_status();
  status.add_notes("a note");
  EXPECT_EQ(first(status, good), "a note");
  auto lacking = good;
  lacking.set_capability_missing(true);
  lacking.set_missing_capability("watching");
  EXPECT_NE(first(healthy_status(), lacking).find("lacks: watching"), std::string::npos);
  auto disabled = good;
  disabled.mutable_provider()->set_enabled(false);
  disabled.set_health(v1::HEALTH_UNREACHABLE);
  EXPECT_EQ(first(healthy_status(), disabled), "");
  EXPECT_NE(diagnose(healthy_status(), {}).at(0).what.find("No provider is registered"),
            std::string::npos);
}

TEST(StatusTest, JsonHoldsTheSameWith64BitNumbersAsText) {
  auto status = healthy_status();
  status.add_announcements()->set_last_success_unix_ms(1'700'000'000'123);
  const auto parsed = parse_json(*status_json(status, providers_of({state_of("a", true)})));
  ASSERT_TRUE(parsed);
  const JsonValue& announced = parsed->find("announcements")->as_array()->at(0);
  ASSERT_NE(announced.find("last_success_unix_ms")->as_string(), nullptr);
  EXPECT_EQ(*announced.find("last_success_unix_ms")->as_string(), "1700000000123");
  EXPECT_EQ(*parsed->find("seq_no")->as_string(), "1099511627777");
  EXPECT_EQ(*parsed->find("availability")->as_string(), "AVAILABLE");
  EXPECT_EQ(parsed->find("members")->as_i64(), 3);
  EXPECT_TRUE(parsed->find("findings")->as_array()->empty());
  EXPECT_EQ(parsed->find("consumers")->as_array()->size(), 1u);
}

TEST(ProvidersTest, TheTableShowsWhoIsActiveAndWhyOthersAreNot) {
  auto cold = state_of("cold", false);
  cold.mutable_provider()->set_standby("cold");
  cold.mutable_provider()->set_priority(-1);
  cold.set_watching(false);
  cold.set_last_confirmed_unix_ms(0);
  cold.set_members(0);
  auto held = state_of("held", false);
  held.set_held(true);
  held.set_held_reason("why");
  auto off = state_of("off", false);
  off.mutable_provider()->set_enabled(false);
  off.mutable_provider()->set_disabled_reason("moving");
  auto failing = state_of("failing", false);
  failing.set_health(v1::HEALTH_DEGRADED);
  failing.set_last_error_code("TIMEOUT");
  auto active = state_of("a", true);
  active.set_pinned(true);
  EXPECT_EQ(providers_text(providers_of({active, cold, held, off, failing})),
            R"(    ID       KIND  PRIORITY  CONDITION                   CONFIRMED   MEMBERS  ORIGIN
*P  a        file  10        HEALTHY                     400 ms ago  3        api
    cold     file  -1        not watched (cold standby)  never       0        api
    held     file  10        held: why                   400 ms ago  3        api
    off      file  10        disabled: moving            400 ms ago  3        api
    failing  file  10        DEGRADED: TIMEOUT           400 ms ago  3        api

* active, P pinned by a switch; revision 7
)");
}

TEST(ProvidersTest, OneProviderIsShownWithWhatIsWantedAndWhatIsSeen) {
  auto state = state_of("a", true);
  state.set_last_error_code("TIMEOUT");
  state.set_last_error("no answer in 5 s");
  const std::string text = provider_text(state);
  for (const char* part : {"id                a\n", "watch_params      path = /etc/members.yaml\n",
                           "confirmed         400 ms ago (2023-11-14T22:13:20.123Z)\n",
                           "last error        TIMEOUT: no answer in 5 s\n"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST(ProvidersTest, TheDescriptorInTheJsonCanBeAppliedAgain) {
  const auto parsed = parse_json(*provider_json(state_of("a", true)));
  ASSERT_TRUE(parsed);
  const JsonValue* descriptor = parsed->find("descriptor");
  ASSERT_NE(descriptor, nullptr);
  EXPECT_EQ(*descriptor->find("id")->as_string(), "a");
  EXPECT_EQ(descriptor->find("origin"), nullptr);
}

TEST(ProvidersTest, R5_4_APlanReadsLikeAPlan) {
  v1::ApplyProvidersResponse response;
  response.set_revision(7);
  const auto add = [&](const char* id, v1::PlanStep::Action action) {
    auto& step = *response.add_plan();
    step.set_id(id);
    step.set_action(action);
    return &step;
  };
  add("new", v1::PlanStep::ACTION_ADD);
  auto* update = add("b", v1::PlanStep::ACTION_UPDATE);
  update->add_changed_fields("priority");
  update->add_changed_fields("watch_params.path");
  update->set_restarts_stream(true);
  add("old", v1::PlanStep::ACTION_REMOVE);
  add("same", v1::PlanStep::ACTION_KEEP);
  EXPECT_EQ(plan_text(response, true), R"(Plan, at revision 7:
  + new  add
  ~ b  update: priority, watch_params.path (its watch starts anew)
  - old  remove
    same  keep
1 to add, 1 to change, 1 to remove, 1 unchanged.
Nothing was changed.
)");
  EXPECT_TRUE(plan_text(response, false).starts_with("Applied, now at revision 7:\n"));
}

TEST(ProvidersTest, ADryRunThatWouldFailShowsEveryProblem) {
  v1::ApplyProvidersResponse response;
  response.set_code("INVALID_CONFIG");
  auto& problem = *response.add_problems();
  problem.set_field("providers[0].id");
  problem.set_value("");
  problem.set_expected("1 to 64 bytes");
  response.set_total_problems(2);
  EXPECT_EQ(plan_text(response, true), R"(It would be refused: INVALID_CONFIG
  providers[0].id: found "", expected 1 to 64 bytes
  … and 1 more problem
)");
}

ClusterNode node(const std::string& id) {
  ClusterNode result;
  result.id = NodeId(id);
  result.host = "10.0.0.1";
  result.port = 7000;
  return result;
}

client::TopologyView view_of(bool stale) {
  client::TopologyView view;
  view.position = {Epoch(1), SeqNo(2)};
  view.availability = Availability::Available;
  view.stale = stale;
  view.snapshot_age_ms = 65'000;
  view.provider_id = ProviderId("a");
  auto full = node("n1");
  full.zone = "z";
  full.labels = {{"k", "v"}, {"l", "w"}};
  full.incarnation = "7";
  view.members = view.members.with(make_member(full, true)).with(make_member(node("n2")));
  return view;
}

TEST(MembersTest, TheTableAndTheStateOfIt) {
  std::string text = members_text(view_of(true));
  text = text.substr(0, text.find(", hash"));
  EXPECT_EQ(text, R"(ID  ADDRESS        ZONE  STATUS          WEIGHT  INCARNATION  LABELS
n1  10.0.0.1:7000  z     READY, BLOCKED  1       7            k=v,l=w
n2  10.0.0.1:7000  -     READY           1       -

2 members, AVAILABLE, stale (confirmed 1 min 5 s ago), from a, at 1:2)");
}

TEST(MembersTest, JsonIsTheDocumentOfHttp) {
  const auto parsed = parse_json(*members_json(view_of(false)));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed->find("seq_no")->as_string(), "2");
  const auto& members = *parsed->find("members")->as_array();
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(*members[0].find("blocked")->as_bool(), true);
  EXPECT_EQ(members[0].find("port")->as_i64(), 7000);
}

v1::ClusterEvent event_at(std::uint64_t seq_no) {
  v1::ClusterEvent event;
  event.set_seq_no(seq_no);
  event.set_epoch(9);
  event.set_snapshot_hash(11);
  event.set_observed_at_unix_ms(12);
  return event;
}

TEST(EventsTest, EveryEventIsOneLine) {
  auto event = event_at(5);
  auto& delta = *event.mutable_delta();
  delta.add_left()->set_id("n0");
  delta.add_joined()->set_id("n1");
  delta.set_provider_id("a");
  EXPECT_EQ(event_text(event), "5  delta                 -n0 +n1  from a");
  for (int i = 0; i < 10; ++i) delta.add_joined()->set_id("x");
  EXPECT_EQ(event_text(event), "5  delta                 -n0 +11 nodes  from a");

  event.mutable_provider_changed()->set_to_provider_id("b");
  event.mutable_provider_changed()->set_reason(v1::FAILOVER_REASON_RECOVERED);
  EXPECT_EQ(event_text(event), "5  provider_changed      (none) -> b RECOVERED");
  event.mutable_availability_changed()->set_availability(v1::AVAILABILITY_EMPTY);
  event.mutable_availability_changed()->set_placement_paused(true);
  EXPECT_EQ(event_text(event), "5  availability_changed  EMPTY, placement paused");
  event.mutable_stream_terminated()->set_provider_id("a");
  event.mutable_stream_terminated()->set_code("TIMEOUT");
  EXPECT_EQ(event_text(event), "5  stream_terminated     a TIMEOUT");
  event.mutable_health_warning()->set_provider_id("a");
  event.mutable_health_warning()->set_health(v1::HEALTH_DEGRADED);
  event.mutable_health_warning()->set_advice(v1::ADVICE_AVOID_NEW_CHANNELS);
  EXPECT_EQ(event_text(event), "5  health_warning        a DEGRADED, advice AVOID_NEW_CHANNELS");
  event.mutable_remote_topology()->set_kind(v1::REMOTE_KIND_JOIN);
  event.mutable_remote_topology()->mutable_node()->set_id("n1");
  event.mutable_remote_topology()->mutable_node()->set_host("h");
  EXPECT_EQ(event_text(event), "5  remote_topology       JOIN n1 h:0");
  event.clear_event();
  EXPECT_EQ(event_text(event), "5  unknown               of a newer rollcalld");
}

TEST(EventsTest, JsonIsOneLineWithItsNumbersAsText) {
  auto event = event_at(5);
  event.mutable_lease_updated()->set_tick(3);
  auto& lease = *event.mutable_lease_updated()->add_leases();
  lease.set_partition("p");
  lease.set_metadata("foo");
  EXPECT_EQ(*event_json(event),
            R"({"seq_no":"5","epoch":"9","snapshot_hash":"11","observed_at_unix_ms":"12",)"
            R"("event":"lease_updated","tick":"3","leases":[{"partition":"p","owner":"",)"
            R"("lease_id":"0","expires_at_unix_ms":"0","metadata_base64":"Zm9v"}]})");
  event.mutable_snapshot()->set_last(true);
  event.mutable_snapshot()->add_members()->set_id("n1");
  const std::string text = *event_json(event);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_TRUE(parse_json(text));
}

TEST(EventsTest, OperatorEventsAreOneLineToo) {
  v1::OperatorEvent event;
  event.set_index(4);
  event.set_at_unix_ms(1'700'000'000'123);
  event.set_level("warning");
  event.set_event("provider_held");
  event.set_provider_id("a");
  event.set_code("MALFORMED_RESPONSE");
  event.set_message("five in a row");
  EXPECT_EQ(
      operator_event_text(event),
      "2023-11-14T22:13:20.123Z  warning  provider_held  a  MALFORMED_RESPONSE  five in a row");
  EXPECT_EQ(*operator_event_json(event),
            R"({"index":"4","at_unix_ms":"1700000000123","level":"warning",)"
            R"("event":"provider_held","provider_id":"a","code":"MALFORMED_RESPONSE",)"
            R"("message":"five in a row"})");
}

}  // namespace
}  // namespace rollcall::cli
