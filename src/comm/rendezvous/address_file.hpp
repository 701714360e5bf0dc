// SPDX-License-Identifier: Apache-2.0
// The file of a file:// rendezvous: rank 0 writes where it listens and, if none was given, the token.
#pragma once

#include <optional>
#include <string>

#include "comm/transport/socket.hpp"
#include "firecaffe/comm/rendezvous/token.hpp"

namespace firecaffe::comm {

struct AddressFileContent {
    std::string address;  // "127.0.0.1:40213"
    Token token;          // empty if the ranks have one already
};

/// Writes the file (mode 0600, aside and renamed) and removes it again when destroyed, if it is still the same one.
class AddressFile {
  public:
    /// Throws UnavailableError if it cannot be written.
    AddressFile(std::string path, const AddressFileContent& content);
    ~AddressFile();
    AddressFile(const AddressFile&) = delete;
    AddressFile& operator=(const AddressFile&) = delete;

  private:
    std::string path_;
    UniqueFd fd_;  // kept open: as long as it is, no other file can have its inode number
};

/// Empty if the file is not there (yet). Throws UnavailableError if it is not ours alone, or not such a file.
std::optional<AddressFileContent> read_address_file(const std::string& path);

}  // namespace firecaffe::comm
