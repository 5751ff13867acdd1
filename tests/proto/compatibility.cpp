#include "tests/proto/compatibility.h"

#include <map>

namespace rollcall::testing {
namespace {

namespace pb = google::protobuf;

// Everything that a message, enum or service of one API version promises, as "full name" → "shape".
using Promises = std::map<std::string, std::string>;

void collect_enum(const pb::EnumDescriptorProto& e, const std::string& scope, Promises& out) {
  const std::string name = scope + "." + e.name();
  out["enum " + name] = "";
  for (const auto& value : e.value()) {
    out["value " + name + "." + value.name()] = "number " + std::to_string(value.number());
  }
}

void collect_message(const pb::DescriptorProto& m, const std::string& scope, Promises& out) {
  const std::string name = scope + "." + m.name();
  out["message " + name] = "";
  for (const auto& f : m.field()) {
    // By number, because that is what the wire knows; the name is part of the shape, because JSON
    // and generated code know that one.
    std::string shape = f.name() + " " + pb::FieldDescriptorProto::Type_Name(f.type()) + " " +
                        pb::FieldDescriptorProto::Label_Name(f.label()) + " " + f.type_name();
    if (f.has_oneof_index()) shape += " in " + m.oneof_decl(f.oneof_index()).name();
    out["field " + name + " " + std::to_string(f.number())] = shape;
  }
  for (const auto& nested : m.nested_type()) collect_message(nested, name, out);
  for (const auto& nested : m.enum_type()) collect_enum(nested, name, out);
}

Promises collect(const pb::FileDescriptorSet& set) {
  Promises out;
  for (const auto& file : set.file()) {
    for (const auto& m : file.message_type()) collect_message(m, file.package(), out);
    for (const auto& e : file.enum_type()) collect_enum(e, file.package(), out);
    for (const auto& s : file.service()) {
      const std::string name = file.package() + "." + s.name();
      out["service " + name] = "";
      for (const auto& r : s.method()) {
        out["method " + name + "." + r.name()] =
            (r.client_streaming() ? "stream " : "") + r.input_type() + " returns " +
            (r.server_streaming() ? "stream " : "") + r.output_type();
      }
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> breaking_changes(const pb::FileDescriptorSet& older,
                                          const pb::FileDescriptorSet& newer) {
  const Promises now = collect(newer);
  std::vector<std::string> broken;
  for (const auto& [what, shape] : collect(older)) {
    const auto found = now.find(what);
    if (found == now.end()) {
      broken.push_back(what + " is gone (" + shape + ")");
    } else if (found->second != shape) {
      broken.push_back(what + " was '" + shape + "' and is '" + found->second + "'");
    }
  }
  return broken;
}

}  // namespace rollcall::testing
