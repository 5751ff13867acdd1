#include "deploy/rollcalld/exit_code.h"

namespace rollcall {

ExitCode exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidConfig:
    case ErrorCode::DuplicateName:
    case ErrorCode::LimitExceeded:
      return ExitCode::Config;
    case ErrorCode::StoreLocked:
      return ExitCode::StateLocked;
    case ErrorCode::StoreCorrupted:
    case ErrorCode::StoreIo:
      return ExitCode::StateUnusable;
    default:
      return ExitCode::Failed;
  }
}

}  // namespace rollcall
