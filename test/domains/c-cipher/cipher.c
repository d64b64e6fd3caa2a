/*
 * A block device that keeps its blocks enciphered on the disk below (a toy cipher: the point is the exchange heap).
 *
 * Requests pass through: they are received, changed in place, moved on to the disk and back. At start the domain makes
 * requests of its own. Invariants: a caller sees plain text only, the disk below enciphered text only; every request
 * that comes in leaves or is freed.
 */
#include "samara.h"

/* Tag of a write after which the domain touches the request that it gave away: a bug, for tests to ask for. */
enum { TAG_USE_AFTER_MOVE = 0xbad };

static samara_capability below;
static uint64_t reads, writes, errors;

/* Requests that were submitted and not polled, and how many a deque holds. */
enum { DEPTH = 32, BATCH = 32 };
static samara_handle queue[DEPTH];
static uint32_t submitted, polled;

/* The key stream at a byte of a block: a multiplicative hash of its position. */
static uint8_t key(uint64_t block, uint32_t at) {
  return (uint8_t)(((uint32_t)block * 4096u + at) * 2654435761u >> 24);
}

/* Enciphers or deciphers, which is the same. */
static void cipher(samara_handle request, uint64_t block) {
  for (uint32_t i = 0; i < BlockRequest_data_length; i++) {
    BlockRequest_data_set(request, i, BlockRequest_data(request, i) ^ key(block, i));
  }
}

/* The error of the disk below as ours; a fault of it (it died, say) is an error of the device. */
static int32_t failed(int32_t status) {
  errors++;
  return SAMARA_IS_ERROR(status) ? status : BlockError_Io + 1;
}

static int32_t read_block(samara_handle request) {
  uint64_t block = BlockRequest_block(request);
  int32_t status = BlockDevice_read(request, below);
  if (!SAMARA_IS_HANDLE(status)) return failed(status);
  cipher(status, block);
  reads++;
  return status;
}

static int32_t write_block(samara_handle request) {
  uint64_t block = BlockRequest_block(request);
  uint32_t tag = BlockRequest_tag(request);
  cipher(request, block);
  int32_t status = BlockDevice_write(request, below);
  if (tag == TAG_USE_AFTER_MOVE) cipher(request, block);
  if (!SAMARA_IS_HANDLE(status)) return failed(status);
  cipher(status, block);
  writes++;
  return status;
}

BlockDevice_read_SERVER { return (void)self, read_block(request); }

BlockDevice_write_SERVER { return (void)self, write_block(request); }

/* Takes what there is room for; the work is done when it is polled. */
BlockDevice_submit_SERVER {
  (void)self;
  while (submitted - polled < DEPTH && samara_len(requests) > 0) queue[submitted++ % DEPTH] = samara_pop(requests);
  return requests;
}

/* Has the disk below do one request. Its errors take the object, so an empty one goes back in its place. */
static samara_handle execute(samara_handle request) {
  uint64_t block = BlockRequest_block(request);
  uint32_t tag = BlockRequest_tag(request), operation = BlockRequest_operation(request);
  int32_t status = operation == BlockOperation_Read ? read_block(request) : write_block(request);
  if (SAMARA_IS_HANDLE(status)) {
    BlockRequest_status_set(status, BlockStatus_Ok);
    return status;
  }
  request = BlockRequest_new();
  if (request == 0) __builtin_trap();
  BlockRequest_block_set(request, block);
  BlockRequest_tag_set(request, tag);
  BlockRequest_operation_set(request, operation);
  BlockRequest_status_set(request, (uint32_t)status);
  return request;
}

BlockDevice_poll_SERVER {
  (void)self;
  while (polled != submitted && samara_len(done) < BATCH) samara_push(execute(queue[polled++ % DEPTH]), done);
  return done;
}

BlockDevice_flush_SERVER {
  (void)self;
  int32_t status = BlockDevice_flush(below);
  return status == 0 ? 0 : failed(status);
}

BlockDevice_capacity_SERVER {
  (void)self;
  int32_t status = BlockDevice_capacity(below);
  if (status != 0) return failed(status);
  samara_set0(samara_get0());
  samara_set1(samara_get1());
  return 0;
}

static void set64(int word, uint64_t value) {
  int32_t low = (int32_t)value, high = (int32_t)(value >> 32);
  if (word == 0) samara_set0(low), samara_set1(high);
  if (word == 2) samara_set2(low), samara_set3(high);
  if (word == 4) samara_set4(low), samara_set5(high);
}

BlockDevice_patience_SERVER {
  (void)self;
  int32_t status = BlockDevice_patience(below);
  samara_set0(status == 0 ? samara_get0() : 0);
  return 0;
}

BlockDevice_statistics_SERVER {
  (void)self;
  set64(0, reads);
  set64(2, writes);
  set64(4, errors);
  return 0;
}

/* Makes a request of the domain's own and enciphers a block that is still zero, so that it reads as zero. */
static void prepare(uint64_t block) {
  samara_handle request = BlockRequest_new();
  if (request == 0) __builtin_trap();
  BlockRequest_block_set(request, block);
  cipher(request, block);
  int32_t status = BlockDevice_write(request, below);
  if (SAMARA_IS_HANDLE(status)) samara_free(status);
  else errors++;
}

SAMARA_EXPORT("_init") void init(void) { below = BlockDevice_use("disk", 4); }

/* A new disk holds zeros; through the cipher they would read as noise. */
SAMARA_EXPORT("main") void start(void) {
  if (BlockDevice_capacity(below) != 0) __builtin_trap();
  uint32_t blocks = (uint32_t)samara_get0();
  for (uint32_t block = 0; block < blocks; block++) prepare(block);
}
