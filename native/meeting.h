// Where the devices of one program meet. Logical devices of a CPU share its memory and its cores, so nothing has to be sent: each
// says where its arrays are, and the last one to come does the work of all.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace penstock {

// The execution of a program that a kernel is called in: the same number on all devices of a launch.
struct Run {
  int64_t id;
};

// Which meeting of a launch it is, and who comes.
struct Meeting {
  int64_t run, place;
  int64_t devices, number;  // how many come, and which of them this is
};

using Arrays = std::vector<float*>;  // of one device

// Calls `work` with the arrays of all devices, by their numbers, in a turn, when the last one is here. What is returned is done when
// the work is: no thread of XLA's waits here, so that it can be in several meetings and collectives at once. Where a device does
// not come within PENSTOCK_MEETING_TIMEOUT seconds (60), the others end with an error, and so do all meetings of that run.
xla::ffi::Future meet(const Meeting& meeting, Arrays own, const std::function<void(const std::vector<Arrays>&)>& work);

}  // namespace penstock

template <>
struct xla::ffi::CtxDecoding<penstock::Run> {
  using Type = penstock::Run;

  static std::optional<Type> Decode(const XLA_FFI_Api* api, XLA_FFI_ExecutionContext* ctx, DiagnosticEngine&) {
    XLA_FFI_RunId_Get_Args args = {};
    args.struct_size = XLA_FFI_RunId_Get_Args_STRUCT_SIZE;
    args.ctx = ctx;
    if (XLA_FFI_Error* error = api->XLA_FFI_RunId_Get(&args)) {
      internal::DestroyError(api, error);
      return std::nullopt;
    }
    return Type{args.run_id};
  }
};
