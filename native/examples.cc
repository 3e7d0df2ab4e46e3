// Reading batches of serialized `tf.train.Example`s, for input pipelines: where the values of the wanted features are, and
// the values of one feature in all Examples as one array.
//
// Only what every writer makes is read here: numbers in packed lists, and no list in two pieces that are to be merged. For a
// batch in which an Example is another one, or is damaged, the caller reads it in Python, which also says what is wrong.
#include <cstdint>
#include <cstring>
#include <vector>

namespace penstock {
namespace {

enum Tag : uint8_t { kField1 = 0x0A, kField2 = 0x12, kField3 = 0x1A };  // fields 1, 2 and 3, length-delimited

// Which list a Feature holds is said by its field.
enum Kind : int64_t { kMissing = 0, kBytes = kField1, kFloats = kField2, kIntegers = kField3 };

// Where the values of a feature are in their Example, and how many they are. Python has the same rows in an array.
struct Values {
  int64_t kind, start, stop, count;
};

struct Text {
  const char* data;
  int64_t size;

  bool operator==(const Text& other) const { return size == other.size && std::memcmp(data, other.data, size) == 0; }
};

constexpr long kLongestVarint = 10;  // bytes

// A part of a message, from its front to its end.
class Reader {
 public:
  Reader(const uint8_t* at, const uint8_t* end) : at_(at), end_(end) {}

  bool empty() const { return at_ == end_; }
  const uint8_t* at() const { return at_; }
  long left() const { return end_ - at_; }

  bool varint(uint64_t* value) {
    *value = 0;
    for (long i = 0; i < kLongestVarint && at_ != end_; ++i) {
      const uint8_t byte = *at_++;
      *value |= static_cast<uint64_t>(byte & 0x7F) << (7 * i);
      if (byte < 0x80) return true;
    }
    return false;
  }

  // The contents of the next field, if it has this tag.
  bool field(Tag tag, Reader* contents) {
    if (empty() || *at_ != tag) return false;
    ++at_;
    uint64_t size;
    if (!varint(&size) || size > static_cast<uint64_t>(left())) return false;
    *contents = Reader(at_, at_ + size);
    at_ += size;
    return true;
  }

 private:
  const uint8_t *at_, *end_;
};

// The values of a Feature; `message` is where its Example begins.
bool find_values(Reader feature, const uint8_t* message, Values* values) {
  *values = Values{kMissing, 0, 0, 0};
  if (feature.empty()) return true;
  const uint8_t kind = *feature.at();
  if (kind != kField1 && kind != kField2 && kind != kField3) return false;
  Reader list(nullptr, nullptr);
  if (!feature.field(static_cast<Tag>(kind), &list) || !feature.empty()) return false;
  values->kind = kind;
  Reader contents = list;
  if (kind != kBytes && !list.empty() && (!list.field(kField1, &contents) || !list.empty())) return false;
  values->start = contents.at() - message;
  values->stop = values->start + contents.left();
  if (kind == kFloats) {
    values->count = contents.left() / sizeof(float);
    return contents.left() % sizeof(float) == 0;
  }
  for (Reader piece(nullptr, nullptr); !contents.empty(); ++values->count) {
    uint64_t number;
    if (kind == kBytes ? !contents.field(kField1, &piece) : !contents.varint(&number)) return false;
  }
  return true;
}

// The place of a feature among the wanted ones, -1 for others. Examples of one writer mostly have their features in the
// same order, so each is first compared with the one that was there in the Example before.
class Places {
 public:
  Places(const Text* wanted, long count) : wanted_(wanted, wanted + count) {}

  long of(Text key, size_t position) {
    if (position < before_.size() && before_[position].key == key) return before_[position].place;
    long place = -1;
    for (size_t i = 0; i < wanted_.size() && place < 0; ++i)
      if (wanted_[i] == key) place = static_cast<long>(i);
    if (position >= before_.size()) before_.resize(position + 1);
    before_[position] = Before{key, place};
    return place;
  }

 private:
  struct Before {
    Text key;
    long place;
  };

  std::vector<Text> wanted_;
  std::vector<Before> before_;
};

// The values of one Example; those of feature `place` go to `found[place * stride]`.
bool find_features(Text example, Places* places, Values* found, long stride) {
  const auto* message = reinterpret_cast<const uint8_t*>(example.data);
  Reader all(message, message + example.size), features(nullptr, nullptr), entry(nullptr, nullptr);
  if (all.empty()) return true;
  if (!all.field(kField1, &features) || !all.empty()) return false;
  for (size_t position = 0; !features.empty(); ++position) {
    Reader key(nullptr, nullptr), feature(nullptr, nullptr);
    if (!features.field(kField1, &entry) || !entry.field(kField1, &key) || !entry.field(kField2, &feature) || !entry.empty())
      return false;
    const long place = places->of(Text{reinterpret_cast<const char*>(key.at()), key.left()}, position);
    if (place >= 0 && !find_values(feature, message, found + place * stride)) return false;
  }
  return true;
}

}  // namespace
}  // namespace penstock

// Finds the values of features in a batch of Examples: `found[feature][example]`, which is zeros before. Returns whether all
// Examples could be read.
extern "C" bool penstock_find_features(const char* const* examples, const int64_t* sizes, long count,
                                       const char* const* keys, const int64_t* key_sizes, long wanted,
                                       penstock::Values* found) {
  std::vector<penstock::Text> texts;
  for (long i = 0; i < wanted; ++i) texts.push_back({keys[i], key_sizes[i]});
  penstock::Places places(texts.data(), wanted);
  for (long i = 0; i < count; ++i)
    if (!penstock::find_features({examples[i], sizes[i]}, &places, found + i, count)) return false;
  return true;
}

// The numbers of one feature, of all Examples one after the other: floats or integers, as `kind` says.
extern "C" void penstock_feature_numbers(const char* const* examples, const penstock::Values* found, long count,
                                         int64_t kind, void* out) {
  for (long i = 0; i < count; ++i) {
    const auto* message = reinterpret_cast<const uint8_t*>(examples[i]);
    penstock::Reader numbers(message + found[i].start, message + found[i].stop);
    if (kind == penstock::kFloats) {
      std::memcpy(out, numbers.at(), numbers.left());
      out = static_cast<float*>(out) + found[i].count;
      continue;
    }
    auto* to = static_cast<uint64_t*>(out);
    for (int64_t k = 0; k < found[i].count; ++k) numbers.varint(to++);
    out = to;
  }
}

// Where the strings of one feature begin and end in their Examples: pairs, of all Examples one after the other.
extern "C" void penstock_feature_strings(const char* const* examples, const penstock::Values* found, long count,
                                         int64_t* ranges) {
  for (long i = 0; i < count; ++i) {
    const auto* message = reinterpret_cast<const uint8_t*>(examples[i]);
    penstock::Reader list(message + found[i].start, message + found[i].stop), each(nullptr, nullptr);
    for (int64_t k = 0; k < found[i].count; ++k) {
      list.field(penstock::kField1, &each);
      *ranges++ = each.at() - message;
      *ranges++ = each.at() + each.left() - message;
    }
  }
}
