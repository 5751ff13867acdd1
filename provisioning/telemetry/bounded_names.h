// BoundedNames: at most so many label values, whatever names come along (DESIGN: "a bounded number
// of label values, always"). The first ones keep their names; once all places are taken, one whose
// owner is gone is given up for a new name, and if there is none the new one is `other`.
//
// Threads: guarded by its owner.
#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <utility>

namespace rollcall {

inline constexpr const char* kOtherName = "other";

class BoundedNames {
 public:
  // `on_given_up`: the series of that name are to be dropped.
  explicit BoundedNames(std::size_t places,
                        std::function<void(const std::string&)> on_given_up = {})
      : places_(places), on_given_up_(std::move(on_given_up)) {}

  std::string label(const std::string& name) {
    if (names_.contains(name)) return name;
    if (names_.size() >= places_ && !give_one_up()) return kOtherName;
    names_.insert(name);
    return name;
  }
  // Who exists now; everybody else's place may be given up.
  void set_living(std::set<std::string> living) { living_ = std::move(living); }
  void forget(const std::string& name) {
    if (names_.erase(name) != 0 && on_given_up_) on_given_up_(name);
  }

 private:
  bool give_one_up() {
    for (const std::string& name : names_) {
      if (living_.contains(name)) continue;
      const std::string gone = name;
      forget(gone);
      return true;
    }
    return false;
  }

  const std::size_t places_;
  const std::function<void(const std::string&)> on_given_up_;
  std::set<std::string> names_;
  std::set<std::string> living_;
};

}  // namespace rollcall
