/**
 * A disk that does nothing, in a domain of its own.
 */
import { BlockDeviceServer } from "idl/block-device";
import { NullDisk } from "./disk";

BlockDeviceServer.provide(new NullDisk());
