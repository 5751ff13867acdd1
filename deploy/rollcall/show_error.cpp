#include "deploy/rollcall/show_error.h"

#include <utility>

#include "deploy/rollcall/text.h"

namespace rollcall::cli {

std::string problems_text(const std::vector<Problem>& problems, std::uint32_t total) {
  std::string text;
  for (const Problem& problem : problems) {
    text += "  " + shown(problem.field) + ": found \"" + shown(problem.value) + "\", expected " +
            shown(problem.expected, 512) + "\n";
  }
  if (total > problems.size()) {
    text += "  … and " + count_text(total - problems.size(), "more problem") + "\n";
  }
  return text;
}

std::string error_text(const ProvisioningError& error) {
  std::string message = error.message;
  if (!error.problems.empty()) {
    // A message repeats the first problem, so that it reads alone; here the list follows.
    message = message.substr(0, message.find(": " + error.problems.front().field));
  }
  return "error: " + std::string(to_string(error.code)) + ": " + shown(message, 2'048) + "\n" +
         problems_text(error.problems, error.total_problems);
}

void write_problems(JsonWriter& writer, const std::vector<Problem>& problems, std::uint32_t total) {
  writer.key("problems").begin_array();
  for (const Problem& problem : problems) {
    writer.begin_object()
        .field("field", shown(problem.field))
        .field("value", shown(problem.value))
        .field("expected", shown(problem.expected, 512))
        .end_object();
  }
  writer.end_array();
  writer.field("total_problems", std::max(total, static_cast<std::uint32_t>(problems.size())));
}

std::string error_json(const ProvisioningError& error) {
  JsonWriter writer;
  writer.begin_object().key("error").begin_object();
  writer.field("code", to_string(error.code)).field("message", shown(error.message, 2'048));
  write_problems(writer, error.problems, error.total_problems);
  writer.end_object().end_object();
  return std::move(writer).finish().value_or("{}") + "\n";
}

}  // namespace rollcall::cli
