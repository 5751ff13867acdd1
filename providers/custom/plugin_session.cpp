#include "providers/custom/plugin_session.h"

#include <fcntl.h>
#include <grpc/compression.h>
#include <grpcpp/create_channel_posix.h>

#include <algorithm>
#include <cstdlib>

#include "core/limits.h"
#include "providers/custom/limits.h"
#include "providers/custom/plugin_messages.h"

namespace rollcall {
namespace {

// How long the status of a stream that ended may take: it came with the end. What takes longer is a
// stream that goes on after a message that could not be parsed.
constexpr std::chrono::seconds kStatusWithin{1};

grpc::ChannelArguments channel_arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(limits::kMaxPluginMessageBytes));
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(limits::kMaxPluginMetadataBytes));
  // gRPC 1.51 compares the size of a compressed message with the limit, and unpacks it whole then:
  // a megabyte may become a thousand. Nothing is unpacked, and nothing packed is asked for.
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
  // What is received ahead of a read stays at the window that HTTP/2 begins with.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  return arguments;
}

gpr_timespec from_now(Duration left) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(std::max(left, Duration::zero()).count(), GPR_TIMESPAN));
}

enum class Waited { Ok, NotOk, Deadline };

// The one operation under way; there is never a second one.
Waited wait_operation(grpc::CompletionQueue& queue, gpr_timespec until) {
  void* tag = nullptr;
  bool ok = false;
  switch (queue.AsyncNext(&tag, &ok, until)) {
    case grpc::CompletionQueue::GOT_EVENT:
      return ok ? Waited::Ok : Waited::NotOk;
    case grpc::CompletionQueue::TIMEOUT:
      return Waited::Deadline;
    case grpc::CompletionQueue::SHUTDOWN:
      break;
  }
  std::abort();  // it is shut down by the destructor, after the last operation
}

// After TryCancel(): ends without the peer's help.
void wait_cancelled(grpc::CompletionQueue& queue) {
  wait_operation(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC));
}

// Once the operations of `context` are over, nobody may cancel it through `current` any more.
std::shared_ptr<grpc::ClientContext> new_context(CurrentCall& current) {
  auto context = std::make_shared<grpc::ClientContext>();
  current.set(context);
  return context;
}

ErrorCode code_from(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return ErrorCode::Timeout;
    case grpc::StatusCode::UNAUTHENTICATED:
      return ErrorCode::AuthFailed;
    case grpc::StatusCode::PERMISSION_DENIED:
      return ErrorCode::PermissionDenied;
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::FAILED_PRECONDITION:
      return ErrorCode::InvalidConfig;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return ErrorCode::LimitExceeded;
    case grpc::StatusCode::UNIMPLEMENTED:
      return ErrorCode::CapabilityMissing;
    case grpc::StatusCode::ALREADY_EXISTS:
      return ErrorCode::DuplicateName;
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::DATA_LOSS:
    case grpc::StatusCode::OUT_OF_RANGE:
      return ErrorCode::MalformedResponse;
    default:
      return ErrorCode::BackendUnavailable;
  }
}

tl::unexpected<ProvisioningError> no_message() {
  return fail(
      ErrorCode::MalformedResponse,
      "the plug-in sent what is no message of the protocol (or strings that are not UTF-8)");
}

tl::unexpected<ProvisioningError> too_much() {
  return fail(ErrorCode::LimitExceeded,
              "the plug-in sends a message that is larger than 1 MiB; the connection was cut");
}

tl::unexpected<ProvisioningError> timed_out() {
  return fail(ErrorCode::Timeout, "the plug-in did not answer in time");
}

}  // namespace

ProvisioningError error_from_status(const grpc::Status& status) {
  std::string text = plugin_text(status.error_message(), limits::kMaxPluginDetailBytes);
  if (text.empty()) text = "gRPC status " + std::to_string(status.error_code());
  return {code_from(status.error_code()), std::move(text), {}, 0};
}

void CurrentCall::cancel() noexcept {
  std::shared_ptr<grpc::ClientContext> context;
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    context = context_;
  }
  if (context) context->TryCancel();
}

void CurrentCall::set(std::shared_ptr<grpc::ClientContext> context) {
  bool cancel = false;
  {
    const std::lock_guard lock(mutex_);
    cancel = cancelled_;
    context_ = context;
  }
  if (cancel && context) context->TryCancel();
}

// --- a stream of messages ---

template <class Message>
class PluginStreamCall {
 public:
  using Reader = grpc::ClientAsyncReader<Message>;

  PluginStreamCall(grpc::CompletionQueue& queue, CurrentCall& current)
      : queue_(queue), context_(new_context(current)) {}
  ~PluginStreamCall() { close(); }
  PluginStreamCall(const PluginStreamCall&) = delete;
  PluginStreamCall& operator=(const PluginStreamCall&) = delete;

  grpc::ClientContext* context() { return context_.get(); }

  Result<void> start(std::unique_ptr<Reader> reader, Duration left) {
    reader_ = std::move(reader);
    open_ = true;
    reader_->StartCall(this);
    switch (wait_operation(queue_, from_now(left))) {
      case Waited::Ok:
        return {};
      case Waited::NotOk:
        return tl::unexpected(why_over());
      case Waited::Deadline:
        break;
    }
    abandon();
    return timed_out();
  }

  Result<std::optional<Message>> read(Duration left) {
    if (!open_) return fail(ErrorCode::BackendUnavailable, "the stream is over");
    Message message;
    reader_->Read(&message, this);
    switch (wait_operation(queue_, from_now(left))) {
      case Waited::Ok:
        return std::optional<Message>(std::move(message));
      case Waited::NotOk: {
        const grpc::Status status = finish();
        if (!parsed_) return no_message();
        if (status.ok()) return std::optional<Message>();
        return tl::unexpected(error_from_status(status));
      }
      case Waited::Deadline:
        break;
    }
    abandon();
    return timed_out();
  }

  void close() {
    if (!open_) return;
    context_->TryCancel();
    finish();
  }

 private:
  ProvisioningError why_over() {
    const grpc::Status status = finish();
    if (!status.ok()) return error_from_status(status);
    return {ErrorCode::BackendUnavailable, "the plug-in ended the call at once", {}, 0};
  }

  // With an operation under way.
  void abandon() {
    context_->TryCancel();
    wait_cancelled(queue_);
    finish();
  }

  // Without one.
  grpc::Status finish() {
    open_ = false;
    grpc::Status status;
    reader_->Finish(&status, this);
    if (wait_operation(queue_, from_now(kStatusWithin)) == Waited::Deadline) {
      parsed_ = false;  // the stream goes on: it was a message that ended the reading
      context_->TryCancel();
      wait_cancelled(queue_);
    }
    return status;
  }

  grpc::CompletionQueue& queue_;
  std::shared_ptr<grpc::ClientContext> context_;  // outlives the reader
  std::unique_ptr<Reader> reader_;
  bool open_ = false;
  bool parsed_ = true;
};

// --- the session ---

PluginSession::PluginSession(UniqueFd socket, const Clock& clock, CurrentCall& current)
    : clock_(clock), current_(current) {
  auto relay = PluginRelay::start(std::move(socket));
  if (!relay) {
    no_channel_ = std::move(relay.error().message);
    return;
  }
  relay_ = std::move(*relay);
  // The channel owns what it is given.
  const UniqueFd end = relay_->take_end();
  const int fd = ::fcntl(end.get(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) {
    no_channel_ = "no descriptor for the connection to the plug-in";
    return;
  }
  stub_ = v1::ClusterProviderPlugin::NewStub(
      grpc::CreateCustomInsecureChannelFromFd("rollcall-plugin", fd, channel_arguments()));
}

PluginSession::~PluginSession() {
  end_stream();
  current_.set(nullptr);
  stub_.reset();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

template <class Response, class Start>
Result<Response> PluginSession::unary(MonoTime deadline, Start start) {
  if (!stub_) return fail(ErrorCode::BackendUnavailable, no_channel_);
  end_stream();
  const auto context = new_context(current_);
  context->set_deadline(from_now(deadline - clock_.now()));
  Response response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> call = start(context.get());
  call->StartCall();
  call->Finish(&response, &status, this);
  // The context's own deadline ends it; gRPC tells the plug-in of it.
  const Waited waited = wait_operation(queue_, gpr_inf_future(GPR_CLOCK_MONOTONIC));
  if (relay_->overrun()) return too_much();
  if (!status.ok()) {
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) return timed_out();
    return tl::unexpected(error_from_status(status));
  }
  if (waited == Waited::NotOk) return no_message();
  relay_->message_taken();
  return response;
}

template <class Message>
Result<std::optional<Message>> PluginSession::read_from(PluginStreamCall<Message>& call,
                                                        MonoTime deadline) {
  auto message = call.read(deadline - clock_.now());
  if (!message && relay_->overrun()) return too_much();
  if (message) relay_->message_taken();
  return message;
}

Result<v1::HandshakeResponse> PluginSession::handshake(const PluginSettings& settings,
                                                       MonoTime deadline) {
  v1::HandshakeRequest request;
  request.add_protocol_versions(limits::kPluginProtocolVersion);
  request.set_provider_id(settings.provider_id);
  for (const auto& [key, value] : settings.config) (*request.mutable_config())[key] = value;
  request.set_token_file(settings.auth.token_file);
  request.set_ca_file(settings.auth.ca_file);
  request.set_cert_file(settings.auth.cert_file);
  request.set_key_file(settings.auth.key_file);
  request.set_attest_interval_ms(static_cast<std::uint32_t>(to_ms(settings.attest)));
  request.set_max_message_bytes(static_cast<std::uint32_t>(limits::kMaxPluginMessageBytes));
  request.set_max_members(static_cast<std::uint32_t>(limits::kMaxMembers));
  return unary<v1::HandshakeResponse>(deadline, [&](grpc::ClientContext* context) {
    return stub_->PrepareAsyncHandshake(context, request, &queue_);
  });
}

Result<v1::CheckConnectivityResponse> PluginSession::check(MonoTime deadline) {
  return unary<v1::CheckConnectivityResponse>(deadline, [&](grpc::ClientContext* context) {
    return stub_->PrepareAsyncCheckConnectivity(context, v1::CheckConnectivityRequest(), &queue_);
  });
}

Result<v1::AnnounceResponse> PluginSession::announce(const ClusterNode& node, Duration ttl,
                                                     MonoTime deadline) {
  v1::AnnounceRequest request;
  *request.mutable_node() = node_to_plugin(node);
  request.set_ttl_ms(static_cast<std::uint32_t>(to_ms(ttl)));
  return unary<v1::AnnounceResponse>(deadline, [&](grpc::ClientContext* context) {
    return stub_->PrepareAsyncAnnounce(context, request, &queue_);
  });
}

Result<v1::WithdrawResponse> PluginSession::withdraw(const ClusterNode& node, MonoTime deadline) {
  v1::WithdrawRequest request;
  request.set_node_id(node.id.str());
  request.set_incarnation(node.incarnation);
  return unary<v1::WithdrawResponse>(deadline, [&](grpc::ClientContext* context) {
    return stub_->PrepareAsyncWithdraw(context, request, &queue_);
  });
}

Result<void> PluginSession::begin_snapshot(MonoTime deadline) {
  if (!stub_) return fail(ErrorCode::BackendUnavailable, no_channel_);
  end_stream();
  snapshot_ = std::make_unique<PluginStreamCall<v1::PluginSnapshotChunk>>(queue_, current_);
  auto reader =
      stub_->PrepareAsyncSnapshot(snapshot_->context(), v1::PluginSnapshotRequest(), &queue_);
  return snapshot_->start(std::move(reader), deadline - clock_.now());
}

Result<void> PluginSession::begin_watch(MonoTime deadline) {
  if (!stub_) return fail(ErrorCode::BackendUnavailable, no_channel_);
  end_stream();
  watch_ = std::make_unique<PluginStreamCall<v1::PluginEvent>>(queue_, current_);
  auto reader = stub_->PrepareAsyncWatch(watch_->context(), v1::PluginWatchRequest(), &queue_);
  return watch_->start(std::move(reader), deadline - clock_.now());
}

Result<std::optional<v1::PluginSnapshotChunk>> PluginSession::read_snapshot(MonoTime deadline) {
  if (!snapshot_) return fail(ErrorCode::BackendUnavailable, "no snapshot was asked for");
  return read_from(*snapshot_, deadline);
}

Result<std::optional<v1::PluginEvent>> PluginSession::read_watch(MonoTime deadline) {
  if (!watch_) return fail(ErrorCode::BackendUnavailable, "no watch was begun");
  return read_from(*watch_, deadline);
}

void PluginSession::end_stream() {
  snapshot_.reset();
  watch_.reset();
}

}  // namespace rollcall
