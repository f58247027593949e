// SPDX-License-Identifier: Apache-2.0
//
// The core's values as JSON and back, exactly.
//
//   Json json = Encode(event);
//   core::Event again;
//   Decoder decoder;
//   if (!decoder.Decode(json, again)) std::cerr << decoder.error();
//
// A struct is an object with all its fields, but for optional ones that are empty. An alternative
// of a variant is an object with one member that names it: {"Wait": {"call": 1, "node": 2}}.
// Numbers are whole and exact up to 64 bits. Text that is not UTF-8 is {"hex": "ff00"}. What is
// decoded is untrusted: any JSON is either a value or an error. A field that is unknown or missing
// is an error: a recording of another version is not half understood.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "recording/fields.h"

namespace sysmem::recording {

using Json = nlohmann::ordered_json;

template <typename T>
inline constexpr bool kIsOptional = false;
template <typename T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <typename T>
inline constexpr bool kIsVector = false;
template <typename T>
inline constexpr bool kIsVector<std::vector<T>> = true;
template <typename T>
inline constexpr bool kIsVariant = false;
template <typename... Ts>
inline constexpr bool kIsVariant<std::variant<Ts...>> = true;

Json EncodeText(const std::string& text);
std::optional<std::string> DecodeText(const Json& json);

template <typename T>
Json Encode(const T& value);

// An alternative of a variant, under its name.
template <typename T>
Json EncodeHeld(const T& held) {
  static_assert(kName<T> != nullptr, "give it a name in fields.h");
  return Json{{kName<T>, Encode(held)}};
}

struct FieldEncoder {
  Json& object;

  template <size_t kCount, typename... Fields>
  void operator()(const char* const (&names)[kCount], const Fields&... fields) {
    static_assert(kCount == sizeof...(Fields));
    size_t next = 0;
    (Add(names[next++], fields), ...);
  }
  template <typename Field>
  void Add(const char* name, const Field& field) {
    object[name] = Encode(field);
  }
  template <typename Field>
  void Add(const char* name, const std::optional<Field>& field) {
    if (field) object[name] = Encode(*field);
  }
};

template <typename T>
Json Encode(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return static_cast<std::underlying_type_t<T>>(value);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return value;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return EncodeText(value);
  } else if constexpr (kIsVector<T>) {
    Json list = Json::array();
    for (const auto& one : value) list.push_back(Encode(one));
    return list;
  } else if constexpr (kIsVariant<T>) {
    return std::visit([](const auto& held) { return EncodeHeld(held); }, value);
  } else {
    Json object = Json::object();
    EachField(value, FieldEncoder{object});
    return object;
  }
}

class Decoder {
 public:
  // False if the JSON is no such value; `value` is of no use then.
  template <typename T>
  bool Decode(const Json& json, T& value);

  // "SetConstraints.node: expected a whole number"
  const std::string& error() const { return error_; }

 private:
  bool Fail(const std::string& what) {
    error_ = (path_.empty() ? "" : path_ + ": ") + what;
    return false;
  }
  // Decodes what is called `name` within what is decoded now.
  template <typename T>
  bool Inside(const std::string& name, const Json& json, T& value) {
    const size_t outer = path_.size();
    path_ += (path_.empty() ? "" : ".") + name;
    if (!Decode(json, value)) return false;
    path_.resize(outer);
    return true;
  }

  template <typename T>
  bool DecodeNumber(const Json& json, T& value);
  template <typename... Ts>
  bool DecodeVariant(const Json& json, std::variant<Ts...>& value);
  // False if the alternative has another name.
  template <typename Held, typename Variant>
  bool DecodeHeld(const std::string& name, const Json& json, Variant& value, bool* decoded);
  template <typename T>
  bool DecodeStruct(const Json& json, T& value);
  template <typename Field>
  bool DecodeField(const Json& object, const char* name, Field& field, size_t* found);

  struct FieldDecoder {
    Decoder& decoder;
    const Json& object;
    size_t found = 0;
    bool decoded = true;

    template <size_t kCount, typename... Fields>
    void operator()(const char* const (&names)[kCount], Fields&... fields) {
      static_assert(kCount == sizeof...(Fields));
      size_t next = 0;
      decoded = (decoder.DecodeField(object, names[next++], fields, &found) && ...);
    }
  };

  std::string path_;
  std::string error_;
};

template <typename T>
bool Decoder::Decode(const Json& json, T& value) {
  if constexpr (std::is_enum_v<T>) {
    std::underlying_type_t<T> number{};
    if (!DecodeNumber(json, number)) return false;
    value = static_cast<T>(number);
    return true;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) return Fail("expected true or false");
    value = json.get<bool>();
    return true;
  } else if constexpr (std::is_arithmetic_v<T>) {
    return DecodeNumber(json, value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    std::optional<std::string> text = DecodeText(json);
    if (!text) return Fail("expected text");
    value = *std::move(text);
    return true;
  } else if constexpr (kIsVector<T>) {
    if (!json.is_array()) return Fail("expected a list");
    value.clear();
    for (const Json& one : json) {
      if (!Inside(std::to_string(value.size()), one, value.emplace_back())) return false;
    }
    return true;
  } else if constexpr (kIsVariant<T>) {
    return DecodeVariant(json, value);
  } else {
    return DecodeStruct(json, value);
  }
}

template <typename T>
bool Decoder::DecodeNumber(const Json& json, T& value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!json.is_number()) return Fail("expected a number");
    value = json.get<T>();
    return true;
  } else {
    if (json.is_number_unsigned()) {
      const uint64_t number = json.get<uint64_t>();
      if (number > static_cast<uint64_t>(std::numeric_limits<T>::max())) {
        return Fail("the number is too large");
      }
      value = static_cast<T>(number);
      return true;
    }
    if (std::is_signed_v<T> && json.is_number_integer()) {
      const int64_t number = json.get<int64_t>();
      if (number < static_cast<int64_t>(std::numeric_limits<T>::min())) {
        return Fail("the number is too small");
      }
      value = static_cast<T>(number);
      return true;
    }
    return Fail("expected a whole number");
  }
}

template <typename... Ts>
bool Decoder::DecodeVariant(const Json& json, std::variant<Ts...>& value) {
  if (!json.is_object() || json.size() != 1) return Fail("expected an object with one member");
  const std::string& name = json.begin().key();
  bool decoded = false;
  const bool known = (DecodeHeld<Ts>(name, json.begin().value(), value, &decoded) || ...);
  return known ? decoded : Fail("\"" + name + "\" is unknown");
}

template <typename Held, typename Variant>
bool Decoder::DecodeHeld(const std::string& name, const Json& json, Variant& value, bool* decoded) {
  if (name != kName<Held>) return false;
  Held held{};
  *decoded = Inside(name, json, held);
  if (*decoded) value = std::move(held);
  return true;
}

template <typename T>
bool Decoder::DecodeStruct(const Json& json, T& value) {
  if (!json.is_object()) return Fail("expected an object");
  FieldDecoder fields{*this, json};
  EachField(value, fields);
  if (fields.decoded && fields.found != json.size()) return Fail("has a field that is unknown");
  return fields.decoded;
}

template <typename Field>
bool Decoder::DecodeField(const Json& object, const char* name, Field& field, size_t* found) {
  const auto member = object.find(name);
  if (member == object.end()) {
    if constexpr (kIsOptional<Field>) {
      field.reset();
      return true;
    } else {
      return Fail(std::string(name) + " is missing");
    }
  }
  ++*found;
  if constexpr (kIsOptional<Field>) {
    return Inside(name, *member, field.emplace());
  } else {
    return Inside(name, *member, field);
  }
}

}  // namespace sysmem::recording
