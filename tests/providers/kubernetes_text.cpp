#include "tests/providers/kubernetes_text.h"

#include <cstdio>

namespace rollcall::test {
namespace {

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

std::string endpoint_text(const EndpointText& endpoint) {
  std::string text =
      R"({"addresses":[")" + endpoint.address + R"("],"conditions":{)" + endpoint.conditions + "}";
  if (!endpoint.pod.empty()) {
    text += R"(,"targetRef":{"kind":"Pod","namespace":"default","name":")" + endpoint.pod + "\"}";
  }
  if (!endpoint.more.empty()) text += "," + endpoint.more;
  return text + "}";
}

}  // namespace

std::string slice_text(const SliceText& slice) {
  std::vector<std::string> endpoints;
  for (const EndpointText& endpoint : slice.endpoints) endpoints.push_back(endpoint_text(endpoint));
  return R"({"metadata":{"name":")" + slice.name + R"(","resourceVersion":")" + slice.version +
         R"(","labels":)" + slice.labels + R"(},"addressType":")" + slice.type +
         R"(","endpoints":)" + (endpoints.empty() ? "null" : "[" + joined(endpoints) + "]") +
         R"(,"ports":)" + slice.ports + "}";
}

std::string page_text(const std::string& version, const std::vector<std::string>& objects,
                      const std::string& continuation) {
  return R"({"kind":"EndpointSliceList","metadata":{"resourceVersion":")" + version +
         R"(","continue":")" + continuation + R"("},"items":[)" + joined(objects) + "]}";
}

std::string event_text(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}

std::string bookmark_text(const std::string& version) {
  return event_text("BOOKMARK", R"({"kind":"EndpointSlice","metadata":{"resourceVersion":")" +
                                    version + R"("},"endpoints":null,"ports":null})");
}

std::string error_event_text(int code, const std::string& reason) {
  return event_text(
      "ERROR", R"({"kind":"Status","status":"Failure","message":"too old","reason":")" + reason +
                   R"(","code":)" + std::to_string(code) + "}");
}

std::string chunk_text(std::string_view text) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  return size + std::string(text) + "\r\n";
}

}  // namespace rollcall::test
