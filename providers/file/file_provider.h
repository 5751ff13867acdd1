// The kind `file`: a YAML or JSON list of members, followed live (file_stream.h says how).
#pragma once

#include <memory>

#include "core/provider.h"

namespace rollcall {

std::unique_ptr<ProviderFactory> make_file_factory();

}  // namespace rollcall
