// Reads EndpointSlices out of JSON and says, slice by slice, what is wrong with them. Used by
// kubernetes_answer.cpp alone.
//
// Threads: an object belongs to one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/codec/large_json.h"
#include "core/codec/object_reader.h"
#include "providers/kubernetes/kubernetes_answer.h"

namespace rollcall {

class SliceReader {
 public:
  SliceReader(const KubernetesSettings& settings, ProblemList& problems)
      : settings_(settings), problems_(problems) {}

  // Nothing: problems have been added.
  std::optional<EndpointSlice> read(const JsonView& object);

 private:
  struct Conditions {
    bool ready = true;
    bool serving = true;
    bool terminating = false;
  };
  // What all endpoints of a slice have in common.
  struct Common {
    std::uint16_t port = 0;
    std::map<std::string, std::string> labels;
    std::uint32_t weight = 1;
    std::string incarnation;
  };

  void problem(std::string_view path, std::string_view found, std::string expected);
  bool pick(const JsonView& object, std::string_view path, std::span<JsonField> fields);
  std::string text(const JsonView& value, std::string_view path);
  bool flag(const JsonView& value, std::string_view path, bool otherwise);
  bool read_type(const JsonView& value, EndpointSlice& slice);
  bool wanted(EndpointSlice::Type type) const;
  std::uint16_t read_port(const JsonView& ports);
  void read_labels(const JsonView& labels, Common& common);
  void read_endpoints(const JsonView& endpoints, const Common& common, EndpointSlice& slice);
  std::optional<SliceEndpoint> read_endpoint(const JsonView& object, const Common& common);
  Conditions read_conditions(const JsonView& value);
  std::string id_of(const JsonView& target_ref, const JsonView& hostname, const JsonView& node_name,
                    const std::string& address);

  const KubernetesSettings& settings_;
  ProblemList& problems_;
  std::string slice_;     // the slice's name, in front of every path
  std::string endpoint_;  // "endpoints[3]"
};

// Name and version alone.
std::optional<EndpointSlice> read_slice_names(const JsonView& object, ProblemList& problems);

}  // namespace rollcall
