// A real rollcalld that announces its node, as operators see it.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {

class AnnounceFixture : public ::testing::Test {
 protected:
  // "announce: {…}" of node n1 at 10.0.0.7:7000 through provider `id`.
  static std::string announce_section(const std::string& id, const std::string& more = "") {
    return "announce: {providers: [" + id +
           "], node_id: n1, host: 10.0.0.7, port: 7000, labels: {rack: r7}" +
           (more.empty() ? "" : ", " + more) + "}\n";
  }
  v1::AnnouncementState announcement() {
    const auto status = daemon_.admin().get_status();
    if (!status || status->announcements().empty()) return {};
    return status->announcements(0);
  }
  bool becomes(const std::string& what,
               const std::function<bool(const v1::AnnouncementState&)>& matches) {
    const bool so = eventually(kHungProgram, [&] { return matches(announcement()); });
    EXPECT_TRUE(so) << what << "; " << announcement().ShortDebugString() << "\n"
                    << daemon_.output();
    return so;
  }
  bool state_becomes(const std::string& state) {
    return becomes(state, [&](const auto& a) { return a.state() == state; });
  }
  // The sidecar itself serves the node.
  bool serves_node(const std::string& id = "n1") {
    return eventually(kHungProgram, [&] {
      const auto member = daemon_.admin().get_member(NodeId(id));
      return member && member->has_node();
    });
  }
  double metric(const std::string& series) {
    const std::string page = daemon_.get("/metrics").body;
    const std::size_t at = page.find("\n" + series + " ");
    return at == std::string::npos ? -1 : std::stod(page.substr(at + series.size() + 2, 32));
  }

  DaemonProcess daemon_;
};

}  // namespace rollcall::test
