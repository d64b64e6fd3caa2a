/**
 * The client of the benchmarks of queues, with its disk in another domain.
 */
import { BlockDevice } from "idl/block-device";
import { QueueLoadServer } from "idl/block-load";
import { Loop } from "./loop";

QueueLoadServer.provide(new Loop<BlockDevice>(BlockDevice.use("disk")));
