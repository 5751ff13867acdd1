// Kubernetes' answers as text, for tests without an API server.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rollcall::test {

struct EndpointText {
  std::string pod;  // of the targetRef; empty: none
  std::string address = "10.0.0.1";
  std::string conditions;  // JSON members: "\"ready\":false"
  std::string more;        // other JSON members of the endpoint
};

struct SliceText {
  std::string name;
  std::string version;
  std::vector<EndpointText> endpoints;
  std::string type = "IPv4";
  std::string ports = R"([{"name":"","port":7000,"protocol":"TCP"}])";
  std::string labels = R"({"kubernetes.io/service-name":"web"})";
};

std::string slice_text(const SliceText& slice);
// A list of these objects.
std::string page_text(const std::string& version, const std::vector<std::string>& objects,
                      const std::string& continuation = {});
// One line of a watch, with its end.
std::string event_text(const std::string& type, const std::string& object);
std::string bookmark_text(const std::string& version);
std::string error_event_text(int code, const std::string& reason);
// A piece of a chunked body.
std::string chunk_text(std::string_view text);

}  // namespace rollcall::test
