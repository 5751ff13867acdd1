#include "tests/control/script_text.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

namespace rollcall::test {
namespace {

constexpr std::string_view kDefaultHost = "10.0.0.1";

std::string or_none(const ProviderId& id) { return id.empty() ? "none" : id.str(); }

struct BodyText {
  std::string operator()(const event::Delta& e) const {
    std::string out = "delta";
    for (const LeftMember& left : e.left) {
      out += " -" + left.id.str();
      if (!left.incarnation.empty()) out += "#" + left.incarnation;
    }
    for (const Member& member : e.joined) out += " +" + format_member(member);
    for (const Member& member : e.changed) out += " ~" + format_member(member);
    return out;
  }
  std::string operator()(const event::Reset&) const { return "reset"; }
  std::string operator()(const event::RemoteTopology& e) const {
    return "remote_topology " + std::string(to_string(e.kind)) + " " + format_member(e.node);
  }
  std::string operator()(const event::ProviderChanged& e) const {
    return "provider_changed " + or_none(e.from) + "→" + or_none(e.to) + " " +
           std::string(to_string(e.reason));
  }
  std::string operator()(const event::StreamTerminated& e) const {
    return "stream_terminated " + e.provider_id.str() + " " +
           (e.ended ? "ended" : std::string(to_string(e.code)));
  }
  std::string operator()(const event::AvailabilityChanged& e) const {
    return "availability_changed " + std::string(to_string(e.availability)) + " " + e.reason +
           (e.placement_paused ? " paused" : "") + (e.stale ? " stale" : "");
  }
  std::string operator()(const event::HealthWarning& e) const {
    return "health_warning " + e.provider_id.str() + " " + std::string(to_string(e.health)) + " " +
           std::string(to_string(e.advice));
  }
  std::string operator()(const event::LeaseUpdated& e) const {
    std::string out = "lease_updated " + std::to_string(e.tick);
    for (const Lease& lease : e.leases) out += " " + lease.partition + "=" + lease.owner.str();
    return out;
  }
};

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  double seconds = 0;
  if (unit == "ms") {
    seconds = 0.001;
  } else if (unit == "s") {
    seconds = 1;
  } else if (unit == "m") {
    seconds = 60;
  } else if (unit == "h") {
    seconds = 3600;
  } else {
    return std::nullopt;
  }
  return Duration(std::llround(number * seconds * 1e9));
}

std::string format_seconds(Duration d) {
  char text[40];
  std::snprintf(text, sizeof text, "%.3f", static_cast<double>(d.count()) / 1e9);
  std::string out(text);
  while (out.back() == '0') out.pop_back();
  if (out.back() == '.') out.pop_back();
  return out + "s";
}

std::vector<std::string> split_words(std::string_view line) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (at < line.size()) {
    const std::size_t begin = line.find_first_not_of(" \t\r", at);
    if (begin == std::string_view::npos || line[begin] == '#') break;
    std::size_t end = line.find_first_of(" \t\r", begin);
    if (end == std::string_view::npos) end = line.size();
    words.emplace_back(line.substr(begin, end - begin));
    at = end;
  }
  return words;
}

std::optional<ClusterNode> parse_member(std::string_view text) {
  ClusterNode node;
  node.host = kDefaultHost;
  node.port = 7000;
  std::string* part = nullptr;
  std::string id;
  std::string status;
  std::string host;
  part = &id;
  for (const char c : text) {
    if (c == '#') {
      part = &node.incarnation;
    } else if (c == '/') {
      part = &status;
    } else if (c == '@') {
      part = &host;
    } else {
      part->push_back(c);
    }
  }
  if (id.empty()) return std::nullopt;
  node.id = NodeId(id);
  if (!host.empty()) node.host = host;
  if (!status.empty()) {
    const auto known = node_status_from_string(status);
    if (!known) return std::nullopt;
    node.status = *known;
  }
  return node;
}

std::string format_member(const Member& member) {
  const ClusterNode& node = *member.node;
  std::string out = node.id.str();
  if (!node.incarnation.empty()) out += "#" + node.incarnation;
  if (node.status != NodeStatus::Ready) out += "/" + std::string(to_string(node.status));
  if (node.host != kDefaultHost) out += "@" + node.host;
  if (member.blocked) out += "!";
  return out;
}

std::string format_event(const Event& event) { return std::visit(BodyText{}, event.body); }

}  // namespace rollcall::test
