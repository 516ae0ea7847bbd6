import type { Endpoint } from '../endpoint.ts'
import { accountDataEndpoints } from './account-data.ts'
import { accountEndpoints } from './account.ts'
import { adminEndpoints } from './admin.ts'
import { appServiceEndpoints } from './app-services.ts'
import { interactiveFallbackEndpoints } from './interactive-fallback.ts'
import { oldSyncEndpoints } from './old-sync.ts'
import { thirdPartyIdEndpoints } from './third-party-ids.ts'
import { thirdPartyNetworkEndpoints } from './third-party-networks.ts'
import { createRoomEndpoints } from './create-room.ts'
import { dehydratedDeviceEndpoints } from './dehydrated-device.ts'
import { deviceEndpoints } from './devices.ts'
import { directoryEndpoints } from './directory.ts'
import { hierarchyEndpoints } from './hierarchy.ts'
import { mediaEndpoints } from './media.ts'
import { openIdEndpoints } from './openid.ts'
import { publicRoomsEndpoints } from './public-rooms.ts'
import { thumbnailEndpoints } from './thumbnail.ts'
import { timestampEndpoints } from './timestamp.ts'
import { discoveryEndpoints } from './discovery.ts'
import { ephemeralEndpoints } from './ephemeral.ts'
import { filterEndpoints } from './filter.ts'
import { keyBackupEndpoints } from './key-backup.ts'
import { keysQueryEndpoints } from './keys-query.ts'
import { keysUploadEndpoints } from './keys-upload.ts'
import { kithEndpoints } from './kith.ts'
import { loginEndpoints } from './login.ts'
import { membershipEndpoints } from './membership.ts'
import { profileEndpoints } from './profile.ts'
import { notificationEndpoints } from './notifications.ts'
import { pushEndpoints } from './push.ts'
import { pusherEndpoints } from './pushers.ts'
import { registrationEndpoints } from './registration.ts'
import { relationEndpoints } from './relations.ts'
import { roomEventEndpoints } from './room-events.ts'
import { roomHistoryEndpoints } from './room-history.ts'
import { roomStateEndpoints } from './room-state.ts'
import { searchEndpoints } from './search.ts'
import { slidingSyncEndpoints } from './sliding-sync.ts'
import { reportEndpoints } from './reports.ts'
import { syncEndpoints } from './sync.ts'
import { toDeviceEndpoints } from './to-device.ts'
import { upgradeRoomEndpoints } from './upgrade-room.ts'
import { urlPreviewEndpoints } from './url-preview.ts'
import { userDirectoryEndpoints } from './user-directory.ts'

/** Every endpoint of the client API. What is not here is answered with 404 M_UNRECOGNIZED. */
export const endpoints: readonly Endpoint[] = [
  ...discoveryEndpoints,
  ...registrationEndpoints,
  ...loginEndpoints,
  ...accountEndpoints,
  ...adminEndpoints,
  ...appServiceEndpoints,
  ...interactiveFallbackEndpoints,
  ...thirdPartyIdEndpoints,
  ...thirdPartyNetworkEndpoints,
  ...deviceEndpoints,
  ...profileEndpoints,
  ...accountDataEndpoints,
  ...filterEndpoints,
  ...notificationEndpoints,
  ...pushEndpoints,
  ...pusherEndpoints,
  ...createRoomEndpoints,
  ...membershipEndpoints,
  ...roomEventEndpoints,
  ...roomStateEndpoints,
  ...upgradeRoomEndpoints,
  ...roomHistoryEndpoints,
  ...relationEndpoints,
  ...searchEndpoints,
  ...userDirectoryEndpoints,
  ...reportEndpoints,
  ...directoryEndpoints,
  ...publicRoomsEndpoints,
  ...hierarchyEndpoints,
  ...timestampEndpoints,
  ...mediaEndpoints,
  ...thumbnailEndpoints,
  ...urlPreviewEndpoints,
  ...openIdEndpoints,
  ...ephemeralEndpoints,
  ...keysUploadEndpoints,
  ...keysQueryEndpoints,
  ...keyBackupEndpoints,
  ...dehydratedDeviceEndpoints,
  ...toDeviceEndpoints,
  ...syncEndpoints,
  ...slidingSyncEndpoints,
  ...oldSyncEndpoints,
  ...kithEndpoints,
]
