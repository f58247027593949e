// SPDX-License-Identifier: Apache-2.0
//
// The JSON library tells nobody where a value stood. It does call back as soon as it has read one,
// so the place is found by watching how far it has read: a value begins at the first character,
// behind the end of what came before, that separates nothing.
#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "scenario/document.h"

namespace sysmem::scenario {
namespace {

// Walks over a text and leaves word how far it came.
class Watched {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Watched(const char* at, const char** progress) : at_(at), progress_(progress) {}
  const char& operator*() const { return *at_; }
  Watched& operator++() {
    *progress_ = ++at_;
    return *this;
  }
  Watched operator++(int) {
    const Watched before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Watched& other) const { return at_ == other.at_; }
  bool operator!=(const Watched& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** progress_;
};

// Line and column of places in a text that are asked for from its beginning to its end.
class Ruler {
 public:
  explicit Ruler(std::string_view text) : text_(text) {}
  Position Of(size_t offset) {
    for (; at_ < std::min(offset, text_.size()); ++at_) {
      // A column is a character: the bytes that go on with one do not count.
      const bool begins = (static_cast<unsigned char>(text_[at_]) & 0xC0) != 0x80;
      if (text_[at_] == '\n') {
        place_ = {place_.line + 1, 1};
      } else if (begins) {
        ++place_.column;
      }
    }
    return place_;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
  Position place_{1, 1};
};

class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(std::string_view text, const char* const* progress, Mistakes& mistakes)
      : text_(text), progress_(progress), ruler_(text), mistakes_(mistakes) {}

  std::optional<Value> Take() && { return std::move(root_); }

  bool null() override { return Add(Other{"null"}); }
  bool boolean(bool flag) override { return Add(flag); }
  bool number_integer(number_integer_t number) override { return Add(int64_t{number}); }
  bool number_unsigned(number_unsigned_t number) override { return Add(uint64_t{number}); }
  bool number_float(number_float_t number, const string_t&) override { return Add(number); }
  bool string(string_t& text) override { return Add(std::move(text)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Open(Table{}); }
  bool start_array(std::size_t) override { return Open(Array{}); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(string_t& name) override {
    const Position where = Here();
    Table& table = std::get<Table>(open_.back().data);
    const bool twice = std::any_of(table.begin(), table.end(),
                                   [&](const Member& member) { return member.key == name; });
    if (twice) mistakes_.Add(where, name, "stands here a second time");
    keys_.push_back({std::move(name), where, {}});
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error while ..."
    std::string text = error.what();
    for (const std::string_view before : {"] ", "column ", ": "}) {
      const size_t found = text.find(before);
      if (found != std::string::npos) text.erase(0, found + before.size());
    }
    mistakes_.Add(ruler_.Of(position == 0 ? 0 : position - 1), "", text);
    return false;
  }

 private:
  // Where the token begins that was read last.
  Position Here() {
    const size_t end = static_cast<size_t>(*progress_ - text_.data());
    const size_t begin = text_.find_first_not_of(" \t\r\n,:", read_);
    read_ = end;
    return ruler_.Of(std::min(begin, end));
  }

  template <typename Data>
  bool Add(Data data) {
    return Place(Value{Here(), std::move(data)});
  }
  template <typename Data>
  bool Open(Data data) {
    open_.push_back(Value{Here(), std::move(data)});
    if (open_.size() <= kDocumentDepth) return true;
    mistakes_.Add(open_.back().where, "",
                  "nested deeper than " + std::to_string(kDocumentDepth) + " levels");
    return false;
  }
  bool Close() {
    Here();
    Value value = std::move(open_.back());
    open_.pop_back();
    return Place(std::move(value));
  }
  bool Place(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (Array* array = std::get_if<Array>(&open_.back().data)) {
      array->push_back(std::move(value));
    } else {
      keys_.back().value = std::move(value);
      std::get<Table>(open_.back().data).push_back(std::move(keys_.back()));
      keys_.pop_back();
    }
    return true;
  }

  std::string_view text_;
  const char* const* progress_;
  Ruler ruler_;
  Mistakes& mistakes_;
  size_t read_ = 0;           // end of the token before
  std::vector<Value> open_;   // tables and lists that go on
  std::vector<Member> keys_;  // of the open tables whose value is being read
  std::optional<Value> root_;
};

}  // namespace

std::optional<Value> ParseJson(std::string_view text, Mistakes& mistakes) {
  const char* progress = text.data();
  Builder builder(text, &progress, mistakes);
  nlohmann::json::sax_parse(Watched(text.data(), &progress),
                            Watched(text.data() + text.size(), &progress), &builder);
  if (!mistakes.empty()) return std::nullopt;
  return std::move(builder).Take();
}

}  // namespace sysmem::scenario
