// SPDX-License-Identifier: Apache-2.0
// Errors: a small hierarchy whose classes carry the exit status of the program.
//
// Every message is one line and says three things: the values, the place (rank, layer, file, line, JSON pointer) and
// the cure. The library throws; only src/cli turns an Error into an exit status.
#pragma once

#include <stdexcept>
#include <string>

#include "firecaffe/core/text.hpp"

namespace firecaffe {

/// Exit status of the program `firecaffe`; the numbers follow sysexits.h where it has one.
enum class ExitStatus : int {
    done = 0,
    training_failed = 1,
    usage = 2,
    bad_data = 65,
    missing_input = 66,
    unavailable = 69,
    internal = 70,
    device = 71,
    io = 74,
    try_again = 75,
    bad_config = 78,
};

/// Base of everything this library throws on purpose.
class Error : public std::runtime_error {
  public:
    Error(ExitStatus status, const std::string& message) : std::runtime_error(message), status_(status) {}

    /// What the program should exit with when nobody handles this error.
    ExitStatus status() const noexcept { return status_; }

  private:
    ExitStatus status_;
};

/// One class per exit status, so that callers can catch by kind. `X(parts...)` joins its arguments into the message.
#define FIRECAFFE_DEFINE_ERROR(Name, status_value)                                                  \
    class Name : public Error {                                                                     \
      public:                                                                                       \
        template <class... Parts>                                                                   \
        explicit Name(const Parts&... parts) : Error(ExitStatus::status_value, text(parts...)) {}   \
    };

FIRECAFFE_DEFINE_ERROR(TrainingError, training_failed)  ///< NaN, divergence, target not met.
FIRECAFFE_DEFINE_ERROR(UsageError, usage)               ///< A call or a command line that cannot be meant.
FIRECAFFE_DEFINE_ERROR(DataError, bad_data)             ///< A data file, a model or a checkpoint that is damaged.
FIRECAFFE_DEFINE_ERROR(MissingInputError, missing_input)  ///< A file that is not there.
FIRECAFFE_DEFINE_ERROR(UnavailableError, unavailable)   ///< No rendezvous, a port in use, a refused handshake.
FIRECAFFE_DEFINE_ERROR(InternalError, internal)         ///< A bug in this library.
FIRECAFFE_DEFINE_ERROR(DeviceError, device)             ///< No GPU, not enough of its memory, or one that failed.
FIRECAFFE_DEFINE_ERROR(IoError, io)                     ///< The disk is full, a write failed.
FIRECAFFE_DEFINE_ERROR(PeerLostError, try_again)        ///< A worker died, stopped or fell silent: start again.
FIRECAFFE_DEFINE_ERROR(PreemptedError, try_again)       ///< Asked to stop by a signal after saving.
FIRECAFFE_DEFINE_ERROR(ConfigError, bad_config)         ///< The configuration: key, value or combination.
FIRECAFFE_DEFINE_ERROR(ShapeError, bad_config)          ///< Shapes that do not fit; the message has both.

#undef FIRECAFFE_DEFINE_ERROR

/// Throws InternalError unless `condition` holds. For invariants of this library, never for bad input.
#define FIRECAFFE_INVARIANT(condition)                                                                     \
    ((condition) ? void() : throw ::firecaffe::InternalError("invariant broken: ", #condition, " at ",     \
                                                             __FILE__, ":", __LINE__, "; please report it"))

}  // namespace firecaffe
