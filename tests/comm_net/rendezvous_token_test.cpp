// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "catch.hpp"
#include "ranks.hpp"

#include "comm/rendezvous/address_file.hpp"
#include "firecaffe/comm/rendezvous/token.hpp"
#include "firecaffe/core/sha256.hpp"

using namespace firecaffe;
using namespace firecaffe::comm;

namespace {

class Folder {
  public:
    Folder() {
        char pattern_text[] = "/tmp/firecaffe_token_XXXXXX";
        path_ = ::mkdtemp(pattern_text);
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    std::string file(const std::string& name, const std::string& content, mode_t mode) const {
        const std::string path = path_ + "/" + name;
        std::ofstream(path) << content;
        ::chmod(path.c_str(), mode);
        return path;
    }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

const std::string kHex = "00112233445566778899aabbccddeeff";

std::string refusal(const std::function<void()>& function) {
    const Outcome outcome = outcome_of(function);
    return outcome.kind == Outcome::Kind::unavailable ? outcome.text : "not refused: " + outcome.text;
}

}  // namespace

TEST_CASE("tokens are random and long enough") {
    CHECK(make_token().size() == 32);
    CHECK(make_token() != make_token());
    CHECK(to_hex(token_from_hex(" \t" + kHex + "\n")) == kHex);
    CHECK(to_hex(token_from_hex("00112233445566778899AABBCCDDEEFF")) == kHex);
}

TEST_CASE("bad tokens are refused, and never shown") {
    CHECK(contains(refusal([] { token_from_hex(""); }), "0 bits"));
    CHECK(contains(refusal([] { token_from_hex(kHex.substr(2)); }), "120 bits; at least 128"));
    CHECK(contains(refusal([] { token_from_hex(kHex + "a"); }), "odd number"));
    const std::string text = refusal([] { token_from_hex("zz112233445566778899aabbccddeeff"); });
    CHECK(contains(text, "not hexadecimal"));
    CHECK(!contains(text, "112233"));
    CHECK(contains(refusal([] { token_from_hex(std::string(2 * 1024 + 2, 'a')); }), "longer than"));
}

TEST_CASE("a token file must be ours alone") {
    const Folder folder;
    CHECK(to_hex(token_from_file(folder.file("good", kHex + "\n", 0600))) == kHex);
    CHECK(to_hex(token_from_file(folder.file("readonly", kHex, 0400))) == kHex);
    for (const mode_t mode : {0640u, 0604u, 0620u, 0644u})
        CHECK(contains(refusal([&] { token_from_file(folder.file("open", kHex, mode)); }), "chmod 600"));
    CHECK(contains(refusal([&] { token_from_file(folder.file("short", "0011", 0600)); }), "16 bits"));
    CHECK(contains(refusal([&] { token_from_file(folder.file("empty", "", 0600)); }), "0 bits"));
    CHECK(contains(refusal([&] { token_from_file(folder.file("long", std::string(100000, 'a'), 0600)); }), "longer"));
    REQUIRE(::symlink((folder.path() + "/good").c_str(), (folder.path() + "/link").c_str()) == 0);
    CHECK(contains(refusal([&] { token_from_file(folder.path() + "/link"); }), "symbolic link"));
    CHECK(contains(refusal([&] { token_from_file(folder.path()); }), "not a regular file"));
    REQUIRE(::mkfifo((folder.path() + "/fifo").c_str(), 0600) == 0);
    CHECK(contains(refusal([&] { token_from_file(folder.path() + "/fifo"); }), "not a regular file"));
    CHECK_THROWS_AS(token_from_file(folder.path() + "/absent"), MissingInputError);
    if (::geteuid() == 0) {
        const std::string path = folder.file("foreign", kHex, 0600);
        REQUIRE(::chown(path.c_str(), 12345, 12345) == 0);
        CHECK(contains(refusal([&] { token_from_file(path); }), "belongs to user 12345"));
    }
}

TEST_CASE("a token comes from a descriptor, more than once") {
    const Token token = make_token();
    const int memory = ::memfd_create("token", MFD_CLOEXEC);
    REQUIRE(::write(memory, token.data(), token.size()) == 32);
    CHECK(token_from_descriptor(memory) == token);
    CHECK(token_from_descriptor(memory) == token);
    REQUIRE(::ftruncate(memory, 15) == 0);
    CHECK(contains(refusal([&] { token_from_descriptor(memory); }), "120 bits"));
    ::close(memory);
    CHECK(contains(refusal([&] { token_from_descriptor(memory); }), "descriptor"));

    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    REQUIRE(::write(ends[1], token.data(), token.size()) == 32);
    ::close(ends[1]);
    CHECK(token_from_descriptor(ends[0]) == token);
    ::close(ends[0]);
}

TEST_CASE("the rendezvous file is private, whole and removed") {
    const Folder folder;
    const std::string path = folder.path() + "/meet";
    CHECK(!read_address_file(path));
    {
        const AddressFile file(path, {"127.0.0.1:4242", test_token()});
        struct stat status {};
        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0600);
        const auto content = read_address_file(path);
        REQUIRE(content);
        CHECK(content->address == "127.0.0.1:4242");
        CHECK(content->token == test_token());
        {
            const AddressFile newer(path, {"127.0.0.1:4343", {}});
            CHECK(read_address_file(path)->address == "127.0.0.1:4343");
            CHECK(read_address_file(path)->token.empty());
        }
        CHECK(!read_address_file(path));
        folder.file("meet", "somebody else's", 0600);  // must outlive the first file's owner
    }
    CHECK(std::filesystem::exists(path));
    CHECK(contains(refusal([&] { read_address_file(path); }), "no rendezvous file"));
    ::chmod(path.c_str(), 0644);
    CHECK(contains(refusal([&] { read_address_file(path); }), "others can touch it"));
    CHECK(contains(refusal([&] { AddressFile("/nowhere/at/all", {"a:1", {}}); }), "cannot create"));
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}
