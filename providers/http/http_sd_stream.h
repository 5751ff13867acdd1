// HttpSdStream: asks for the list at an interval that is lengthened at random, so that a fleet does
// not ask in step. One next() is one question, after the interval if the last one was answered: the
// current URL is asked and, if that fails, the others in turn.
//
// An ETag makes an unchanged list cheap. It belongs to one URL's last list that was understood, and
// it is not believed for ever (limits::kHttpSdMaxNotModified).
//
// Threads: a ProviderStream's rules.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/provider.h"
#include "providers/common/cancel.h"
#include "providers/common/jitter.h"
#include "providers/common/rate_limit.h"
#include "providers/http/http_sd_client.h"
#include "providers/http/http_sd_settings.h"

namespace rollcall {

class HttpSdStream : public ProviderStream {
 public:
  HttpSdStream(std::shared_ptr<const HttpSdSettings> settings, const AuthRef& auth,
               std::uint64_t seed, const Clock& clock);
  ProviderEvent next() override;
  void cancel() noexcept override { cancel_.cancel(); }

 private:
  // One round over the URLs.
  ProviderEvent ask_all();
  Result<ProviderEvent> ask(MonoTime deadline);
  Result<ProviderEvent> digest(HttpSdReply reply);
  ProviderEvent confirmed(ProviderEvent event, const AnswerTimes& times);

  const std::shared_ptr<const HttpSdSettings> settings_;
  const Clock& clock_;
  Cancel cancel_;
  const Io io_;
  HttpSdClient client_;
  TokenBucket bucket_;
  Jitter jitter_;
  MonoTime ask_at_;  // not before

  // What was told last.
  bool told_ = false;
  std::uint64_t told_body_ = 0;     // XXH64: equal bodies aren't even parsed
  std::uint64_t told_members_ = 0;  // sum of the members' hashes: order and spaces may differ
  std::size_t told_count_ = 0;
  std::string etag_;      // of it, at the current URL; empty: none
  int not_modified_ = 0;  // in a row
};

}  // namespace rollcall
