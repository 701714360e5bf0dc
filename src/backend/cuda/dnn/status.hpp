// SPDX-License-Identifier: Apache-2.0
// What cuDNN answers, in our terms.
#pragma once

#include <cudnn.h>

#include <string>
#include <string_view>

#include "firecaffe/core/error.hpp"

namespace firecaffe::cuda::dnn {

/// cuDNN refused. Carries the status, because "this engine cannot do it" is an answer while plans are looked for.
class DnnError : public InternalError {
  public:
    template <class... Parts>
    explicit DnnError(cudnnStatus_t answer, const Parts&... parts) : InternalError(parts...), answer_(answer) {}
    cudnnStatus_t answer() const noexcept { return answer_; }

  private:
    cudnnStatus_t answer_;
};

/// The name that the header gives the attribute; its number where this room does not use it.
std::string name_of(cudnnBackendAttributeName_t attribute);
std::string name_of(cudnnBackendDescriptorType_t kind);

/// Throws DnnError unless `answer` is success: "cuDNN: <what> <name>: <status> (<cuDNN's own words>), for <place>".
/// `place` says which op and which shapes.
void check(cudnnStatus_t answer, std::string_view what, std::string_view name, std::string_view place);

/// True for the answers that say that a combination has no code, rather than that a call was wrong.
bool is_refusal(cudnnStatus_t answer);

}  // namespace firecaffe::cuda::dnn
