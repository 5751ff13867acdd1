#include "providers/kubernetes/kubernetes_answer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/codec/large_json.h"
#include "core/codec/object_reader.h"
#include "core/limits.h"
#include "core/text.h"
#include "providers/common/http_client.h"
#include "providers/kubernetes/limits.h"
#include "providers/kubernetes/slice_reader.h"

namespace rollcall {
namespace {

bool is_version(std::string_view text) {
  return !text.empty() && text.size() <= limits::kKubernetesVersionBytes && text.front() != '0' &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Result<void> failure(std::uint64_t status, std::string said) {
  const std::string text = "HTTP " + std::to_string(status) + ": " + said;
  switch (status) {
    case 400:
      return fail(ErrorCode::InvalidConfig, text);
    case 401:
      return fail(ErrorCode::AuthFailed, text);
    case 403:
      return fail(ErrorCode::PermissionDenied, text);
    case 404:
      return fail(ErrorCode::CapabilityMissing,
                  "no discovery.k8s.io/v1 here (Kubernetes 1.21 and later): " + text);
    case 410:
      return fail(ErrorCode::OutOfOrder, text);
    default:
      break;
  }
  if (status == 429 || (status >= 500 && status <= 599)) {
    return fail(ErrorCode::BackendUnavailable, text);
  }
  return fail(ErrorCode::MalformedResponse, "not what an API server answers: " + text);
}

// The message of a Status; empty if this is none.
std::string status_message(const JsonView& status) {
  const auto message = status.get("message").string();
  return message ? printable(*message, limits::kKubernetesMessageBytes) : "";
}

tl::unexpected<ProvisioningError> malformed(const char* what) {
  return fail(ErrorCode::MalformedResponse, what);
}

struct ListMeta {
  std::string version;
  std::string continuation;
};

Result<ListMeta> list_meta(const JsonView& metadata) {
  std::array<JsonField, 2> fields{{{"resourceVersion", {}}, {"continue", {}}}};
  if (const char* why = metadata.pick(fields)) {
    return fail(ErrorCode::MalformedResponse, std::string("the list's metadata: ") + why);
  }
  const auto version = fields[0].value.string();
  if (!version || version->empty() || version->size() > limits::kKubernetesVersionBytes) {
    return malformed("the list has no resourceVersion");
  }
  const auto continuation = fields[1].value.string();
  if (continuation && continuation->size() > limits::kKubernetesContinueBytes) {
    return fail(ErrorCode::LimitExceeded, "the list's continue is too long");
  }
  return ListMeta{std::string(*version), std::string(continuation.value_or(""))};
}

// The list's metadata, and its items in `items`; "items": null is a list without any.
Result<ListMeta> open_list(const JsonView& root, LargeArray& items, bool& any) {
  std::array<JsonField, 2> fields{{{"metadata", {}}, {"items", {}}}};
  if (const char* why = root.pick(fields)) {
    return fail(ErrorCode::MalformedResponse, std::string("the list: ") + why);
  }
  any = fields[1].value.kind() != LargeKind::Null;
  if (any && !fields[1].value.array(items)) return malformed("the answer is no list");
  return list_meta(fields[0].value);
}

}  // namespace

std::optional<std::strong_ordering> compare_versions(std::string_view a, std::string_view b) {
  if (!is_version(a) || !is_version(b)) return std::nullopt;
  if (a.size() != b.size()) return a.size() <=> b.size();
  return a.compare(b) <=> 0;
}

Result<void> judge(const HttpResponse& response) {
  if (response.status == 200) return {};
  std::string said;
  if (auto document = LargeJson::parse(response.body)) said = status_message(document->root());
  if (said.empty()) said = quoted_body(response);
  return failure(static_cast<std::uint64_t>(response.status), std::move(said));
}

Result<SlicePage> parse_page(const std::string& body, const KubernetesSettings& settings) {
  auto document = LargeJson::parse(body);
  if (!document) return tl::unexpected(std::move(document.error()));
  LargeArray items;
  bool any = false;
  auto meta = open_list(document->root(), items, any);
  if (!meta) return tl::unexpected(std::move(meta.error()));
  SlicePage page{std::move(meta->version), std::move(meta->continuation), {}};
  ProblemList problems;
  SliceReader reader(settings, problems);
  std::size_t endpoints = 0;
  for (JsonView item; any && items.next(item);) {
    if (page.slices.size() == limits::kKubernetesSlices) {
      return fail(ErrorCode::LimitExceeded, "too many slices in one answer");
    }
    auto slice = reader.read(item);
    if (!slice) continue;  // a problem has been noted
    endpoints += slice->endpoints.size();
    if (endpoints > limits::kKubernetesEndpoints) {
      return fail(ErrorCode::LimitExceeded, "too many endpoints in one answer");
    }
    page.slices.push_back(std::move(*slice));
  }
  if (!problems.empty()) return problems.fail(ErrorCode::MalformedResponse, "slices refused");
  return page;
}

Result<SliceHead> parse_head(const std::string& body) {
  auto document = LargeJson::parse(body);
  if (!document) return tl::unexpected(std::move(document.error()));
  LargeArray items;
  bool any = false;
  auto meta = open_list(document->root(), items, any);
  if (!meta) return tl::unexpected(std::move(meta.error()));
  SliceHead head;
  head.version = std::move(meta->version);
  head.more = !meta->continuation.empty();
  JsonView item;
  if (!any || !items.next(item)) return head;
  ProblemList problems;
  auto names = read_slice_names(item, problems);
  if (!names) return problems.fail(ErrorCode::MalformedResponse, "slices refused");
  head.first = std::move(names->name);
  head.first_version = std::move(names->version);
  head.more = head.more || items.next(item);
  return head;
}

Result<WatchEvent> parse_event(const std::string& line, const KubernetesSettings& settings) {
  auto document = LargeJson::parse(line, {limits::kKubernetesEventBytes, limits::kMaxDepth});
  if (!document) return tl::unexpected(std::move(document.error()));
  std::array<JsonField, 2> fields{{{"type", {}}, {"object", {}}}};
  if (document->root().pick(fields) != nullptr) return malformed("a watch event is no object");
  const std::string_view type = fields[0].value.string().value_or("");
  const JsonView& object = fields[1].value;
  WatchEvent event;
  ProblemList problems;
  if (type == "ERROR") {
    const auto code = object.get("code").u64();
    const std::string_view reason = object.get("reason").string().value_or("");
    const bool gone = reason == "Expired" || reason == "Gone";
    auto failed = failure(gone ? 410 : code.value_or(0), "in the watch: " + status_message(object));
    return tl::unexpected(std::move(failed.error()));
  }
  if (type == "BOOKMARK") {
    const auto version = object.get("metadata").get("resourceVersion").string();
    if (!version || version->empty() || version->size() > limits::kKubernetesVersionBytes) {
      return malformed("a bookmark without a resourceVersion");
    }
    event.slice.version = std::string(*version);
    return event;
  }
  if (type == "ADDED" || type == "MODIFIED") {
    event.type = type == "ADDED" ? WatchEvent::Type::Added : WatchEvent::Type::Modified;
    auto slice = SliceReader(settings, problems).read(object);
    if (slice) event.slice = std::move(*slice);
  } else if (type == "DELETED") {
    event.type = WatchEvent::Type::Deleted;
    auto names = read_slice_names(object, problems);
    if (names) event.slice = std::move(*names);
  } else {
    return malformed("a watch event of unknown type");
  }
  if (!problems.empty()) return problems.fail(ErrorCode::MalformedResponse, "a slice is refused");
  return event;
}

Result<std::string> parse_uid(const std::string& body) {
  auto document = LargeJson::parse(body);
  if (!document) return tl::unexpected(std::move(document.error()));
  const auto uid = document->root().get("metadata").get("uid").string();
  if (!uid || uid->empty() || uid->size() > limits::kKubernetesNameBytes) {
    return malformed("the answer is no object with a uid");
  }
  return std::string(*uid);
}

}  // namespace rollcall
