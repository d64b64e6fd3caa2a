/**
 * The shadow of a block device: its clients see a delay where the driver crashes.
 *
 * The work is done by `os/block-shadow`. Invariant: the driver that is restarted is the one that is called.
 */
import { BlockShadow } from "os/block-shadow";
import { BlockDevice, BlockDeviceServer } from "idl/block-device";
import { Lifecycle } from "idl/lifecycle";

BlockDeviceServer.provide(new BlockShadow(BlockDevice.use("disk"), Lifecycle.use("driver")));
