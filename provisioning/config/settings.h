// The declarative table of all settings, and the only place that knows them one by one. Parsing,
// checking, comparing at a reload and the reference walk over it. Private to this folder.
//
// Threads: the table is immutable.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "provisioning/config/config.h"
#include "provisioning/config/setting_types.h"

namespace rollcall {

struct Setting {
  std::string_view path;  // "failover.timeout"
  std::string type;       // for people: "a duration from 100ms to 1h"
  bool reloadable = false;
  std::string_view flag;           // of rollcalld; empty: none
  std::string_view doc;            // one sentence
  std::string_view shown_default;  // where the default is not simply what Config{} holds
  // False: the value is not of `type`, and nothing was changed.
  std::function<bool(const SettingInput&, Config&)> set;
  std::function<std::string(const Config&)>
      get;  // for people and for comparing: equal texts, equal values (labels are escaped)
  bool of_secrets = false;  // names a file of secrets: what is no path is not shown

  std::string environment() const;  // "ROLLCALL_FAILOVER_TIMEOUT"
};

// In the order of the reference; `providers`, which is a list of descriptors, is not in it.
const std::vector<Setting>& settings();
const Setting* find_setting(std::string_view path);  // null: there is no such setting

// The rows of the section `announce` (announce_settings.cpp).
void add_announce_settings(std::vector<Setting>& all);

// One sentence about each section ("failover"), for the reference; empty: not a section.
std::string_view section_doc(std::string_view section);

}  // namespace rollcall
